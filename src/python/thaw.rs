//! Some of what was frozen goes back to the collector.

use std::ffi::CStr;

use super::{
    gc::Collector,
    interpreter::Gil,
    reference::{PyErr, PyRef},
};

/// Answers which of the list `thawed` are not garbage. Garbage is found as a collection finds it, which with
/// `DEBUG_SAVEALL` hands it over: the list is some itself by then, as nobody else holds it.
const ASK: &CStr = c"
import gc
thawed = []
def live():
    global thawed
    flags, before, mark = gc.get_debug(), len(gc.garbage), object()
    thawed += [thawed, mark]
    del thawed
    gc.set_debug(flags | gc.DEBUG_SAVEALL)
    try: gc.collect(1)
    finally: gc.set_debug(flags)
    garbage = gc.garbage[before:]
    del gc.garbage[before:]
    found = next(one for one in garbage if type(one) is list and one and one[-1] is mark)
    dead = {id(one) for one in garbage}
    answer = tuple([one for one in found if one is not mark and id(one) not in dead])
    found.clear()
    return answer
";

/// Frozen objects become old ones, which full collections look at. Answers how many.
///
/// What is garbage already stays frozen: it would be freed in every worker, and what that leaves would be filled
/// by new objects, which copies the pages around it.
pub fn thaw(gil: &Gil<'_>, frozen: Vec<PyRef<'_>>) -> Result<u64, PyErr> {
    if frozen.is_empty() {
        return Ok(0);
    }
    let names = gil.dict()?;
    gil.import(c"builtins")?
        .call_method(c"exec", &[&gil.text(ASK)?, &names])?;
    let (Some(thawed), Some(live)) = (names.item(c"thawed"), names.item(c"live")) else {
        return Ok(0);
    };
    track_anew(gil, &frozen);
    for object in &frozen {
        thawed.call_method(c"append", &[object])?;
    }
    drop((frozen, thawed));
    let live = live.call(&[])?.items();
    let collector = Collector::current(gil)?;
    collector.freeze()?;
    track_anew(gil, &live);
    collector.make_young_old()?;
    Ok(live.len() as u64)
}

/// Whatever the collector thought of them, they are young objects.
fn track_anew(gil: &Gil<'_>, objects: &[PyRef<'_>]) {
    for object in objects {
        let object = object.as_ptr().cast();
        // SAFETY: the GIL is held; a live object that the collector tracked, so that it can.
        unsafe {
            (gil.api.PyObject_GC_UnTrack)(object);
            (gil.api.PyObject_GC_Track)(object);
        }
    }
}
