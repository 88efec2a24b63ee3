import pyarrow, pyarrow.compute, pyarrow.csv, pyarrow.dataset, pyarrow.fs, io

def use():
    # Its pools of threads begin here.
    table = pyarrow.csv.read_csv(io.BytesIO(b"a,b\n" + b"1,2\n" * 200000))
    assert pyarrow.compute.sum(table["a"]).as_py() == 200000

@atexit.register
def once_more():
    use()
    say("used")
