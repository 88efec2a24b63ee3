from concurrent.futures import ThreadPoolExecutor
executor = ThreadPoolExecutor(2)

def task():
    time.sleep(0.1)
    say("done")

def use():
    for _ in range(10):
        executor.submit(task)
