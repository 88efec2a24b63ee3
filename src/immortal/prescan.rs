//! Before anything is marked: which objects must stay mortal.
//!
//! First what ends by itself, links and what frames hold, in one pass over all references; then, in a few
//! passes over what was not found yet, whoever holds one of those that end. An owner is told by counts: who shares
//! an object with many others does not end it. So each pass looks at an object once, whatever
//! refers to it.

use super::{
    classify::{Classifier, Reason, Treatment},
    frames::Frames,
    kept::KeptMortal,
    links::Links,
    tally::{Seen, Tally},
    Stopped,
};
use crate::{
    linux::mmap_vec::{MmapVec, OutOfMemory},
    python::heap::{Heap, Ref},
};

/// With more references than this an object does not end with one of its owners.
const SHARED: u32 = 16;
/// How far an owner may be from what it owns: an instance, its `__dict__`, a list there, a tuple in it.
const STEPS: usize = 6;
/// So deep are dicts and tuples looked into that the collector does not know.
const DEPTH: u32 = 3;

/// What the collector knows.
#[derive(Clone, Copy, Default)]
pub struct Tracked {
    /// Objects.
    pub all: u64,
    /// Those of them that are immortal already.
    pub born_immortal: u64,
    /// Those of them that are to stay mortal.
    pub kept: u64,
}

struct Prescan<'a, 'c, 'gil> {
    heap: &'a Heap<'gil>,
    classifier: &'c mut Classifier<'a, 'gil>,
    kept: KeptMortal<'gil>,
    tally: Tally<'gil>,
    seen: Seen<'gil>,
    /// Where frames count what they hold.
    frames: Option<&'gil Frames<'gil>>,
    /// Dicts and tuples that the collector does not know, and that hold what ends.
    boxes: MmapVec<Ref<'gil>>,
    /// The dicts of modules: they do not end.
    namespaces: MmapVec<Ref<'gil>>,
    tracked: Tracked,
}

/// Looks at every object, and writes to none.
pub fn prescan<'a, 'gil>(
    heap: &'a Heap<'gil>,
    classifier: &mut Classifier<'a, 'gil>,
    frames: Option<&'gil Frames<'gil>>,
) -> Result<(KeptMortal<'gil>, Tracked), Stopped> {
    let mut prescan = Prescan {
        heap,
        classifier,
        kept: KeptMortal::new()?,
        tally: Tally::new(),
        seen: Seen::new()?,
        frames,
        boxes: MmapVec::new(),
        namespaces: MmapVec::new(),
        tracked: Tracked::default(),
    };
    for held in frames.iter().flat_map(|frames| frames.of_threads()) {
        prescan.kept.add(held, Reason::Frame)?;
    }
    heap.each_tracked(|object| prescan.look(object))?;
    prescan.counted()?;
    prescan.owners()?;
    let Prescan {
        kept, mut tracked, ..
    } = prescan;
    let is_tracked = |&&(object, _): &&(Ref<'gil>, Reason)| heap.is_tracked(object);
    tracked.kept = kept.all().iter().filter(is_tracked).count() as u64;
    Ok((kept, tracked))
}

impl<'gil> Prescan<'_, '_, 'gil> {
    /// Looks at an object that the collector knows, and at what it refers to.
    fn look(&mut self, object: Ref<'gil>) -> Result<(), Stopped> {
        let heap = self.heap;
        self.tracked.all += 1;
        self.tracked.born_immortal += u64::from(heap.is_immortal(object));
        let treatment = self.classifier.of(object);
        match treatment {
            Treatment::Mortal(reason, _) => self.kept.add(object, reason)?,
            Treatment::Foreign(_) => self.tally.add(object, heap.class_of(object))?,
            Treatment::Weak(_) => self.awaited(object)?,
            _ => {}
        }
        let Some(traverse) = treatment.traverse() else {
            return Ok(());
        };
        let counts = self.frames.filter(|frames| frames.is_one(heap, object));
        let mut links = Links::of(heap, object, treatment);
        heap.each_reference(object, traverse, |referent| {
            let met = self.meet(referent, 0)?;
            if counts.is_some() {
                self.kept.add(referent, Reason::Frame)?;
            }
            if let Some(links) = &mut links {
                links.see(referent, matches!(met, Treatment::Instance(_)));
            }
            match (treatment, met) {
                (Treatment::Module(_), Treatment::Dict(_)) => self.namespaces.push(referent)?,
                // Its attributes, where they are in a dict of its own.
                (Treatment::Instance(_), Treatment::Dict(traverse))
                    if heap.count(referent) == 1 =>
                {
                    if let Some(links) = &mut links {
                        heap.each_reference(referent, traverse, |value| {
                            let met = self.classifier.of(value);
                            links.see(value, matches!(met, Treatment::Instance(_)));
                            Ok::<_, Stopped>(())
                        })?;
                    }
                }
                _ => {}
            }
            Ok::<_, Stopped>(())
        })?;
        links.map_or(Ok(()), |links| links.keep(&mut self.kept))
    }

    /// An object that another refers to. What the collector knows is looked at by itself.
    fn meet(&mut self, object: Ref<'gil>, depth: u32) -> Result<Treatment<'gil>, Stopped> {
        let treatment = self.classifier.of(object);
        match treatment {
            Treatment::Mortal(reason, None) if self.seen.is_new(object) => {
                self.kept.add(object, reason)?;
            }
            Treatment::Foreign(None) => {
                let class = self.heap.class_of(object);
                if !self.tally.is_many(class) && self.seen.is_new(object) {
                    self.tally.add(object, class)?;
                }
            }
            Treatment::Dict(traverse) | Treatment::Tuple(traverse)
                if depth < DEPTH
                    && self.heap.count(object) <= SHARED
                    && !self.heap.is_tracked(object) =>
            {
                let mut ends = false;
                let heap = self.heap;
                heap.each_reference(object, traverse, |item| {
                    let met = self.meet(item, depth + 1)?;
                    ends |= matches!(met, Treatment::Mortal(..) | Treatment::Foreign(_));
                    Ok::<_, Stopped>(())
                })?;
                if ends && self.seen.is_new(object) {
                    self.boxes.push(object)?;
                }
            }
            _ => {}
        }
        Ok(treatment)
    }

    /// The target of a weak reference with a callback is awaited. Classes are not: their registers
    /// (abc, functools) hold them so, and a preloaded class has no end.
    fn awaited(&mut self, reference: Ref<'gil>) -> Result<(), OutOfMemory> {
        match self.heap.awaited(reference) {
            Some(target) if self.heap.as_class(target).is_none() => {
                self.kept.add(target, Reason::Awaited)
            }
            _ => Ok(()),
        }
    }

    /// The objects of unknown C classes are counted: where there are few, they stay mortal.
    fn counted(&mut self) -> Result<(), Stopped> {
        for object in self.tally.few(self.heap) {
            self.kept.add(object, Reason::Foreign)?;
        }
        self.classifier.counted(self.tally.many()?);
        self.kept.sort();
        self.namespaces.as_mut_slice().sort_unstable();
        Ok(())
    }

    /// Finds whoever holds what ends.
    fn owners(&mut self) -> Result<(), Stopped> {
        let heap = self.heap;
        let boxes = std::mem::take(&mut self.boxes);
        for _ in 0..STEPS {
            let mut found = MmapVec::new();
            for &object in boxes.as_slice() {
                if self.owns(object)? {
                    found.push(object)?;
                }
            }
            heap.each_tracked(|object| {
                if self.owns(object)? {
                    found.push(object)?;
                }
                Ok::<_, Stopped>(())
            })?;
            if found.as_slice().is_empty() {
                break;
            }
            for &object in found.as_slice() {
                self.kept.add(object, Reason::Owner)?;
            }
            self.kept.sort();
        }
        Ok(())
    }

    /// To drop the object may end another one, and it is not known to stay mortal itself.
    fn owns(&mut self, object: Ref<'gil>) -> Result<bool, Stopped> {
        let (Treatment::Dict(traverse)
        | Treatment::Tuple(traverse)
        | Treatment::Instance(traverse)
        | Treatment::Other(traverse)) = self.classifier.of(object)
        else {
            return Ok(false);
        };
        let (heap, kept) = (self.heap, &self.kept);
        let outcome = heap.each_reference(object, traverse, |referent| {
            let why = kept.why(referent);
            if why.is_some_and(Reason::has_owners) && heap.count(referent) <= SHARED {
                return Err(Stopped::Enough);
            }
            Ok(())
        });
        match outcome {
            Err(Stopped::Enough) => {
                let is_namespace = self.namespaces.as_slice().binary_search(&object).is_ok();
                Ok(!is_namespace && !kept.why(object).is_some_and(Reason::has_owners))
            }
            outcome => outcome.map(|()| false),
        }
    }
}
