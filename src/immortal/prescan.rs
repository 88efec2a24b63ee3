//! Before anything is marked: which objects must stay mortal, in one pass over all references.

use super::{
    arrays::Arrays,
    classify::{Classifier, Treatment},
    frames::Frames,
    kept::KeptMortal,
    links::Links,
    owners::Owners,
    parts,
    reason::Reason,
    references::{self, Reference},
    tally::{Seen, Tally},
    Stopped,
};
use crate::{
    linux::mmap_vec::OutOfMemory,
    python::{heap::Heap, interpreter::Gil, object::Ref},
};

/// So many bytes an object the notes may take while they are made; the verdicts add 8 at most.
const NOTES: usize = 16;
/// And so many more on any heap.
const FEW_NOTES: usize = 256 * 1024;

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

struct Prescan<'a, 'gil> {
    heap: &'a Heap<'gil>,
    /// Where frames count what they hold.
    frames: Option<&'gil Frames<'gil>>,
    kept: KeptMortal<'gil>,
    tally: Tally<'gil>,
    seen: Seen<'gil>,
    owners: Owners<'gil>,
    arrays: Arrays<'gil>,
    tracked: Tracked,
    /// Objects that the collector does not know, as far as only one that it knows refers to them.
    untracked: u64,
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
        frames,
        kept: KeptMortal::new()?,
        tally: Tally::new(),
        seen: Seen::new()?,
        owners: Owners::new(),
        arrays,
        tracked: Tracked::default(),
        untracked: 0,
    };
    for held in frames.iter().flat_map(|frames| frames.of_stacks()) {
        prescan.kept.add(held, Reason::Frame)?;
    }
    heap.each_tracked(|_| {
        prescan.tracked.all += 1;
        Ok::<_, Stopped>(())
    })?;
    heap.each_tracked(|object| prescan.look(classifier, object))?;
    prescan.look_into_arrays(gil, classifier)?;
    let Prescan {
        mut kept,
        tally,
        owners,
        arrays,
        mut tracked,
        ..
    } = prescan;
    for object in tally.few(heap) {
        kept.add(object, Reason::Foreign)?;
    }
    let many = tally.many()?;
    drop(tally);
    kept.sort()?;
    keep_ends(heap, classifier, &mut kept)?;
    owners.keep(gil, heap, classifier, &arrays, &mut kept)?;
    // Not before: the owners are told as they were when they were noted.
    classifier.counted(many);
    parts::keep(heap, classifier, &mut kept)?;
    let is_tracked = |&(object, _): &(Ref<'gil>, Reason)| heap.is_tracked(object);
    tracked.kept = kept.all().filter(is_tracked).count() as u64;
    Ok(Prescanned {
        kept,
        tracked,
        arrays,
    })
}

/// What the last link of a linked structure refers to is one, too, however many refer to that.
fn keep_ends<'gil>(
    heap: &Heap<'gil>,
    classifier: &mut Classifier<'_, 'gil>,
    kept: &mut KeptMortal<'gil>,
) -> Result<(), Stopped> {
    for place in 0..kept.known() {
        let (link, reason) = kept.at(place);
        let treatment = classifier.of(link);
        let (Reason::Linked, Treatment::Instance(traverse)) = (reason, treatment) else {
            continue;
        };
        if let Some(mut links) = Links::of(heap, link, treatment) {
            heap.each_reference(link, traverse, |referent| {
                let met = classifier.of(referent);
                links.see(classifier, referent, met)
            })?;
            if let Some(end) = links.end()? {
                kept.add(end, Reason::Linked)?;
            }
        }
    }
    kept.sort()?;
    Ok(())
}

impl<'gil> Prescan<'_, 'gil> {
    /// Looks at an object that the collector knows, and at what it refers to.
    fn look(
        &mut self,
        classifier: &mut Classifier<'_, 'gil>,
        object: Ref<'gil>,
    ) -> Result<(), Stopped> {
        let heap = self.heap;
        self.tracked.born_immortal += u64::from(heap.is_immortal(object));
        let treatment = classifier.of(object);
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
        let is_frame = self
            .frames
            .is_some_and(|frames| frames.is_one(heap, object));
        let mut links = Links::of(heap, object, treatment);
        let mut see = |classifier: &mut Classifier<'_, 'gil>, reference: &Reference<'gil>| {
            let Reference { from, to, met, .. } = *reference;
            let refers_to_nothing = matches!(met, Treatment::Leaf | Treatment::Text);
            if !refers_to_nothing {
                self.meet(reference)?;
            }
            if from != object {
                return Ok(());
            }
            if is_frame {
                self.kept.add(to, Reason::Frame)?;
            }
            if refers_to_nothing {
                self.untracked += u64::from(heap.count(to) == 1);
                links.iter_mut().for_each(Links::pass);
                return Ok(());
            }
            if let (Treatment::Module(_), Treatment::Dict(_)) = (treatment, met) {
                self.owners.add_namespace(to)?;
            }
            match &mut links {
                Some(links) => links.see(classifier, to, met),
                None => Ok(()),
            }
        };
        references::each_of(heap, classifier, object, treatment, &mut see)?;
        if let Some(links) = links {
            links.keep(&mut self.kept)?;
        }
        let room = NOTES * (self.tracked.all + self.untracked) as usize + FEW_NOTES;
        self.owners
            .stay_below(room.saturating_sub(self.kept.bytes()));
        Ok(())
    }

    /// An object that another refers to. What the collector knows is looked at by itself.
    fn meet(&mut self, reference: &Reference<'gil>) -> Result<(), OutOfMemory> {
        self.owners.note(self.heap, reference)?;
        let object = reference.to;
        match reference.met {
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
            _ => {}
        }
        Ok(())
    }

    /// Looks at what arrays refer to, those that are items of others included.
    fn look_into_arrays(
        &mut self,
        gil: &Gil<'_>,
        classifier: &mut Classifier<'_, 'gil>,
    ) -> Result<(), Stopped> {
        let heap = self.heap;
        loop {
            let round = self.arrays.round()?;
            if round.as_slice().is_empty() {
                return Ok(());
            }
            for &array in round.as_slice() {
                let mut meet = |_: &mut Classifier<'_, 'gil>, reference: &Reference<'gil>| {
                    Ok(self.meet(reference)?)
                };
                let items = references::each_in_array(gil, heap, classifier, array, &mut meet)?;
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
