//! Garbage of the loading phase: what it owns ends, and its memory stays where it is.
//!
//! While applications load nothing is collected, so cycles keep their sockets and files open, in the master and in
//! every worker. An ordinary collection would end them, but its holes would be filled by the objects of
//! workers, which copies the pages around them. With `gc.DEBUG_SAVEALL` a collection does all but
//! free: weak references are told, finalizers run, and the garbage is handed over (Python/gc.c,
//! `delete_garbage`).

use std::ffi::CStr;

use super::{interpreter::Gil, reference::PyErr, tracked::Tracked};

/// `resources`: C classes without a finalizer that give something back when they are freed. Whatever
/// garbage holds such an object, or a tuple with one, is emptied. No method of a subclass is called.
const END: &CStr = c"
import gc, sys
def resources():
    for module, name in (('mmap', 'mmap'), ('select', 'epoll'), ('_sqlite3', 'Connection'), ('_ssl', '_SSLSocket'),
                         ('_multiprocessing', 'SemLock')):
        found = getattr(sys.modules.get(module), name, None)
        if isinstance(found, type): yield found
    yield memoryview
def empty(thing):
    for container in dict, list, set:
        if issubclass(type(thing), container): container.clear(thing)
    for base in type(thing).__mro__:
        for name, member in list(vars(base).items()):
            try:
                if type(member) is slot: member.__delete__(thing)
                elif type(member) is attributes and name == '__dict__': member.__get__(thing).clear()
            except (AttributeError, TypeError): pass
class Slotted: __slots__ = 'a', '__dict__'
slot, attributes = type(Slotted.a), type(vars(Slotted)['__dict__'])
def end():
    flags, before = gc.get_debug(), len(gc.garbage)
    gc.set_debug(flags | gc.DEBUG_SAVEALL)
    try: gc.collect()
    finally: gc.set_debug(flags)
    garbage = gc.garbage[before:]
    del gc.garbage[before:]
    classes, fixed = tuple(resources()), set()
    holds = lambda thing: any(issubclass(type(held), classes) or id(held) in fixed for held in gc.get_referents(thing))
    for _ in range(3):
        fixed.update(id(thing) for thing in garbage if issubclass(type(thing), (tuple, frozenset)) and holds(thing))
    for thing in garbage:
        if not issubclass(type(thing), type) and holds(thing):
            empty(thing)
    return b''.join(id(thing).to_bytes(8, 'little') for thing in garbage)
";

/// Garbage that was found, by address.
#[derive(Default)]
pub struct Garbage {
    /// In order.
    addresses: Vec<u64>,
}

impl Garbage {
    /// Ends what garbage of this interpreter owns, and adds that garbage.
    pub fn end_what_it_owns(&mut self, gil: &Gil<'_>) -> Result<(), PyErr> {
        let names = gil.dict()?;
        gil.import(c"builtins")?
            .call_method(c"exec", &[&gil.text(END)?, &names])?;
        let Some(end) = names.item(c"end") else {
            return Ok(());
        };
        let found = end.call(&[])?.bytes();
        let address = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_le_bytes);
        self.addresses.extend(found.chunks(8).filter_map(address));
        self.addresses.sort_unstable();
        Ok(())
    }

    /// An object is a part of it.
    pub fn has(&self, object: &Tracked<'_>) -> bool {
        let address = object.address() as u64;
        self.addresses.binary_search(&address).is_ok()
    }
}
