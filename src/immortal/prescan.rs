//! Before anything is marked: which objects must stay mortal, in one pass over all references.

use super::{
    arrays::Arrays,
    classify::{Classifier, Treatment},
    frames::Frames,
    kept::KeptMortal,
    links::{Ends, Links},
    owners::Owners,
    reason::Reason,
    tally::{Seen, Tally},
    Stopped,
};
use crate::{
    linux::mmap_vec::{MmapVec, OutOfMemory},
    python::{heap::Heap, interpreter::Gil, object::Ref},
};

/// So deep are dicts and tuples looked into that the collector does not know.
const DEPTH: u32 = 3;
/// And only those that have so few references, each of which is one look.
const MOST_LOOKS: u32 = 8;

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

/// What is known before anything is marked.
pub struct Prescanned<'gil> {
    /// What must stay mortal.
    pub kept: KeptMortal<'gil>,
    /// What the collector knows.
    pub tracked: Tracked,
    /// Arrays of numpy.
    pub arrays: Arrays<'gil>,
}

struct Prescan<'a, 'c, 'gil> {
    heap: &'a Heap<'gil>,
    classifier: &'c mut Classifier<'a, 'gil>,
    kept: KeptMortal<'gil>,
    tally: Tally<'gil>,
    seen: Seen<'gil>,
    /// Where frames count what they hold.
    frames: Option<&'gil Frames<'gil>>,
    owners: Owners<'gil>,
    ends: Ends<'gil>,
    arrays: Arrays<'gil>,
    tracked: Tracked,
}

/// Looks at every object, and writes to none.
pub fn prescan<'a, 'gil>(
    gil: &Gil<'_>,
    heap: &'a Heap<'gil>,
    classifier: &mut Classifier<'a, 'gil>,
    frames: Option<&'gil Frames<'gil>>,
    arrays: Arrays<'gil>,
) -> Result<Prescanned<'gil>, Stopped> {
    let mut prescan = Prescan {
        heap,
        classifier,
        kept: KeptMortal::new()?,
        tally: Tally::new(),
        seen: Seen::new()?,
        frames,
        owners: Owners::new(),
        ends: Ends::new(),
        arrays,
        tracked: Tracked::default(),
    };
    for held in frames.iter().flat_map(|frames| frames.of_stacks()) {
        prescan.kept.add(held, Reason::Frame)?;
    }
    heap.each_tracked(|object| prescan.look(object))?;
    prescan.look_into_arrays(gil)?;
    let Prescan {
        mut kept,
        tally,
        owners,
        ends,
        arrays,
        mut tracked,
        ..
    } = prescan;
    for object in tally.few(heap) {
        kept.add(object, Reason::Foreign)?;
    }
    classifier.counted(tally.many()?);
    kept.sort();
    for &(link, end) in ends.as_slice() {
        if kept.why(link) == Some(Reason::Linked) {
            kept.add(end, Reason::Linked)?;
        }
    }
    kept.sort();
    owners.keep(&mut kept)?;
    keep_parts(heap, classifier, &mut kept)?;
    let is_tracked = |&&(object, _): &&(Ref<'gil>, Reason)| heap.is_tracked(object);
    tracked.kept = kept.all().iter().filter(is_tracked).count() as u64;
    Ok(Prescanned {
        kept,
        tracked,
        arrays,
    })
}

/// A dict that only one object has, such as that of its attributes, lets go of what is in it when the object
/// ends, and so stays as mortal. Of a class that the operator named other containers do, too.
fn keep_parts<'gil>(
    heap: &Heap<'gil>,
    classifier: &mut Classifier<'_, 'gil>,
    kept: &mut KeptMortal<'gil>,
) -> Result<(), Stopped> {
    let mut parts = MmapVec::new();
    for &(object, reason) in kept.all() {
        let treatment = classifier.of(object);
        let Some(traverse) = treatment.traverse().filter(|_| treatment.has_parts()) else {
            continue;
        };
        heap.each_reference(object, traverse, |part| {
            if heap.count(part) == 1 {
                let is_part = match classifier.of(part) {
                    Treatment::Dict(_) => true,
                    Treatment::Tuple(_) | Treatment::Other(_) => reason == Reason::Named,
                    _ => false,
                };
                if is_part {
                    parts.push((part, reason))?;
                }
            }
            Ok::<_, Stopped>(())
        })?;
    }
    for &(part, reason) in parts.as_slice() {
        kept.add(part, reason)?;
    }
    kept.sort();
    Ok(())
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
            Treatment::Foreign(_) => {
                let class = heap.class_of(object);
                self.arrays.meet(heap, object, class)?;
                self.tally.add(object, class)?;
            }
            Treatment::Weak(_) => self.awaited(object)?,
            _ => {}
        }
        let Some(traverse) = treatment.traverse() else {
            return Ok(());
        };
        let counts = self.frames.filter(|frames| frames.is_one(heap, object));
        let mut links = Links::of(heap, object, treatment);
        let owns = Owners::may_own(treatment);
        heap.each_reference(object, traverse, |referent| {
            let met = self.meet(referent, 0)?;
            if owns {
                self.owners.note(heap, object, referent, met)?;
            }
            if counts.is_some() {
                self.kept.add(referent, Reason::Frame)?;
            }
            if let Some(links) = &mut links {
                links.see(referent, met);
            }
            match (treatment, met) {
                (Treatment::Module(_), Treatment::Dict(_)) => {
                    self.owners.add_namespace(referent)?
                }
                // Its attributes, where they are in a dict of its own.
                (Treatment::Instance(_), Treatment::Dict(traverse))
                    if heap.count(referent) == 1 =>
                {
                    if let Some(links) = &mut links {
                        heap.each_reference(referent, traverse, |value| {
                            let met = self.classifier.of(value);
                            links.see(value, met);
                            Ok::<_, Stopped>(())
                        })?;
                    }
                }
                _ => {}
            }
            Ok::<_, Stopped>(())
        })?;
        links.map_or(Ok(()), |links| links.keep(&mut self.kept, &mut self.ends))
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
                self.arrays.meet(self.heap, object, class)?;
                if !self.tally.is_many(class) && self.seen.is_new(object) {
                    self.tally.add(object, class)?;
                }
            }
            Treatment::Dict(traverse) | Treatment::Tuple(traverse)
                if depth < DEPTH
                    && self.heap.count(object) <= MOST_LOOKS
                    && !self.heap.is_tracked(object) =>
            {
                let heap = self.heap;
                heap.each_reference(object, traverse, |item| {
                    let met = self.meet(item, depth + 1)?;
                    self.owners.note(heap, object, item, met)?;
                    Ok::<_, Stopped>(())
                })?;
            }
            _ => {}
        }
        Ok(treatment)
    }

    /// Looks at what arrays refer to, those that are items of others included.
    fn look_into_arrays(&mut self, gil: &Gil<'_>) -> Result<(), Stopped> {
        let heap = self.heap;
        loop {
            let round = self.arrays.round()?;
            if round.as_slice().is_empty() {
                return Ok(());
            }
            for &array in round.as_slice() {
                let items = heap.each_in_buffer(gil, array, |item| {
                    let met = self.meet(item, 0)?;
                    self.owners.note(heap, array, item, met)?;
                    Ok::<_, Stopped>(())
                })?;
                self.arrays.note(array, items)?;
            }
        }
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
}
