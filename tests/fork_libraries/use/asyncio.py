import asyncio
loop = None

def connect():
    global loop
    loop = asyncio.new_event_loop()

def use():
    async def number():
        await asyncio.sleep(0.01)
        return NUMBER
    assert loop.run_until_complete(number()) == NUMBER
