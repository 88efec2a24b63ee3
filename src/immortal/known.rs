//! The classes that pycow knows by name.

use std::ffi::CStr;

use super::reason::Reason;
use crate::python::{
    heap::Heap,
    interpreter::Gil,
    object::Class,
    reference::{PyErr, PyRef},
};

/// Looks them up in the interpreter. Only an imported module can have objects.
///
/// `plain`: C classes whose objects are data, so that nothing but memory goes when one goes. `resources`: C
/// classes without a finalizer whose objects give something back to the system when they go, and futures, which let
/// go of whoever waits for them. `links`: what is
/// appended to a link of these lasts as long as the link.
const ASK: &CStr = c"
import abc, functools, gc, itertools, sys, types
def named(module, names=None):
    module = vars(sys.modules.get(module, object))
    names = names.split() if names else module
    return [module[name] for name in names if isinstance(module.get(name), type)]
plain = [type(sample) for sample in (
    iter([]), iter(()), iter({}), iter({}.values()), iter({}.items()), iter(set()), iter(''), iter(b''), iter(range(0)),
    iter(1 << 70 for _ in ()), iter(bytearray()), reversed([]), reversed({}), {}.keys(), {}.values(), {}.items(),
    NotImplemented, ..., sys.flags, abc.ABC._abc_impl, functools.cmp_to_key(max)(1))]
for module in ('builtins types collections _collections datetime decimal fractions functools itertools operator re '
               '_struct array uuid enum abc _abc typing _typing contextvars _contextvars zoneinfo random _random '
               '_json time string.templatelib annotationlib weakref').split():
    plain += named(module)
plain += named('re', 'Pattern Match')
hidden = 'memoryview GeneratorType CoroutineType AsyncGeneratorType FrameType CapsuleType tee _tee_dataobject Context'
hidden = {class_ for module in ('builtins', 'types', 'itertools', 'contextvars') for class_ in named(module, hidden)}
cached = functools.lru_cache(2)(abs)
cached(1)
links = [type(itertools.tee(())[0])] + named('itertools', '_tee_dataobject')
links += [part if isinstance(part, type) else type(part) for part in gc.get_referents(cached)]
links = {link for link in links if link.__name__ in ('_tee', '_tee_dataobject', 'tee', '_lru_list_elem')}
links |= set(named('contextvars', 'Context'))
plain = tuple(set(plain) - hidden - links)
resources = tuple(named('mmap', 'mmap') + named('select', 'epoll') + named('_sqlite3', 'Connection')
    + named('_ssl', '_SSLSocket') + named('_multiprocessing', 'SemLock') + named('concurrent.futures._base', 'Future')
    + [memoryview])
locks = tuple(named('_thread', 'LockType lock RLock'))
links = tuple(links)
modules = (types.ModuleType,)
arrays = tuple(named('numpy', 'ndarray'))
";

/// Known classes, held for as long as objects are classified.
pub struct Known<'gil> {
    mortal: Vec<(PyRef<'gil>, Reason)>,
    plain: Vec<PyRef<'gil>>,
    module: Vec<PyRef<'gil>>,
    array: Vec<PyRef<'gil>>,
}

impl<'gil> Known<'gil> {
    /// Looks them up, with those that the operator named (`pycow-mortal`); one that is not there is worth a
    /// line.
    pub fn find(gil: &Gil<'gil>, mortal: &[String]) -> Result<Self, PyErr> {
        let names = gil.dict()?;
        gil.import(c"builtins")?
            .call_method(c"exec", &[&gil.text(ASK)?, &names])?;
        let all = |name| names.item(name).map_or(Vec::new(), |all| all.items());
        let mut known = Self {
            mortal: Vec::new(),
            plain: all(c"plain"),
            module: all(c"modules"),
            array: all(c"arrays"),
        };
        for path in mortal {
            match class_at(gil, path) {
                Some(class) => known.mortal.push((class, Reason::Named)),
                None => log::warn!("pycow-mortal: there is no class {path} in what was loaded"),
            }
        }
        for (name, reason) in [
            (c"resources", Reason::Finalizer),
            (c"links", Reason::Linked),
            (c"locks", Reason::Lock),
        ] {
            let all = all(name).into_iter().map(|class| (class, reason));
            known.mortal.extend(all);
        }
        Ok(known)
    }

    /// Why objects of that class, known by its name, stay mortal.
    pub fn mortal(&self, heap: &Heap<'_>, class: Class<'_>) -> Option<Reason> {
        let is = |(known, _): &&(PyRef<'_>, Reason)| derives(heap, class, known);
        self.mortal.iter().find(is).map(|(_, reason)| *reason)
    }

    /// Objects of exactly that class are data.
    pub fn is_plain(&self, class: Class<'_>) -> bool {
        let class = class.as_object();
        self.plain.iter().any(|known| known.borrow() == class)
    }

    /// Objects of that class are modules.
    pub fn is_module(&self, heap: &Heap<'_>, class: Class<'_>) -> bool {
        self.module.iter().any(|known| derives(heap, class, known))
    }

    /// The class of numpy's arrays, if numpy is loaded.
    pub fn array<'a>(&'a self, heap: &Heap<'_>) -> Option<Class<'a>> {
        heap.as_class(self.array.first()?.borrow())
    }
}

fn derives(heap: &Heap<'_>, class: Class<'_>, from: &PyRef<'_>) -> bool {
    let from = heap.as_class(from.borrow());
    from.is_some_and(|from| heap.derives(class, from))
}

/// The class of `package.module.Class.Nested`, in the longest of these that is an imported module.
fn class_at<'gil>(gil: &Gil<'gil>, path: &str) -> Option<PyRef<'gil>> {
    let c = |text: &str| std::ffi::CString::new(text).ok();
    let (end, module) = path
        .rmatch_indices('.')
        .find_map(|(end, _)| Some((end, gil.imported(&c(&path[..end])?)?)))?;
    let mut found = module;
    for name in path[end + 1..].split('.') {
        found = found.attribute(&c(name)?).ok()?;
    }
    let class = gil.import(c"builtins").ok()?.attribute(c"type").ok()?;
    let is = gil
        .import(c"builtins")
        .ok()?
        .call_method(c"isinstance", &[&found, &class]);
    is.and_then(|is| is.as_i64())
        .is_ok_and(|is| is == 1)
        .then_some(found)
}
