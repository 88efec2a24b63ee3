//! An event loop that was set while the application was loaded is the current one in workers, as without pycow.

use pycow_testkit::{hosts, Uwsgi};

/// Answers whether it is there, by what is said of it, and what it runs.
const APP: &str = r#"
import asyncio, os, warnings

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)

async def answer():
    await asyncio.sleep(0)
    return 42

def application(env, start):
    start("200 OK", [])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        current = asyncio.get_event_loop()
    said = [str(one.message) for one in said]
    child = os.fork()
    if child == 0:
        # Whom the application forks by itself CPython tells as ever.
        policy = asyncio.events._event_loop_policy
        os._exit(policy._local._loop is loop)
    same = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if hasattr(os, "waitstatus_to_exitcode") else "unknown"
    return [str((current is loop, current.run_until_complete(answer()), said, same)).encode()]
"#;

#[test]
fn the_event_loop_of_the_master_is_the_current_one_in_workers() {
    for host in hosts() {
        println!("{}", host.name);
        let answer = |uwsgi: Uwsgi| uwsgi.start().get("/").body;
        let stock = answer(Uwsgi::on(&host).app(APP));
        assert!(stock.starts_with("(True, 42, [], "), "{stock}");
        assert_eq!(answer(Uwsgi::on(&host).app(APP).with_pycow()), stock);
    }
}
