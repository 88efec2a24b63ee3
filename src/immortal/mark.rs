//! The walk: marks whatever an object refers to. The mark itself says that an object was met.

use std::fmt;

use super::{
    audit::Marks,
    classify::{Classifier, Treatment},
    kept::KeptMortal,
    prescan::{Prescanned, Tracked},
    reason::Reason,
    Stopped, Unable,
};
use crate::{
    linux::mmap_vec::MmapVec,
    python::{code::Bytecode, heap::Heap, interpreter::Gil, object::Ref},
};

/// What became of the objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Objects made immortal.
    pub immortal: u64,
    /// Objects left mortal, by reason: those with a finalizer or a resource of the system;
    pub finalizer: u64,
    /// those of a class that the operator named;
    pub named: u64,
    /// those that a weak reference's callback awaits;
    pub awaited: u64,
    /// those of C classes that are not known and have few objects;
    pub foreign: u64,
    /// those that hold one of these;
    pub owner: u64,
    /// links of linked structures;
    pub linked: u64,
    /// locks;
    pub lock: u64,
    /// those that a frame holds.
    pub frame: u64,
    /// Objects that no other object refers to.
    pub unreferenced: u64,
    /// Arrays of numpy with objects in their items that could not be seen.
    pub unseen: u64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mortal = [
            (self.finalizer, "with a finalizer or a resource"),
            (self.named, "named by pycow-mortal"),
            (self.awaited, "watched by a weakref callback"),
            (self.foreign, "of C classes with few objects"),
            (self.owner, "that hold one of these"),
            (self.linked, "in linked structures"),
            (self.lock, "that are locks"),
            (self.frame, "held by frames"),
        ];
        write!(f, "{} objects immortal; left mortal: ", self.immortal)?;
        for (count, what) in mortal.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{count} {what}, ")?;
        }
        write!(
            f,
            "{} to which only the interpreter refers",
            self.unreferenced
        )?;
        if self.unseen > 0 {
            write!(f, "; not seen: what {} arrays of records hold", self.unseen)?;
        }
        Ok(())
    }
}

/// So many objects are on their way.
const AHEAD: usize = 16;
/// To a container that the collector does not know refer no more than this.
const FEW: u32 = 8;

struct Marker<'a, 'c, 'gil> {
    heap: &'a Heap<'gil>,
    classifier: &'c mut Classifier<'a, 'gil>,
    kept: KeptMortal<'gil>,
    /// Met a moment ago. Most objects are in no cache: the memory of these is on its way.
    waiting: [Option<Ref<'gil>>; AHEAD],
    place: usize,
    /// Met and marked, but not tracked: to be walked here.
    untracked: MmapVec<Ref<'gil>>,
    /// Code objects that were marked, and how many of them were walked.
    code: MmapVec<Ref<'gil>>,
    code_walked: usize,
    /// Code objects that were left mortal, maybe more than once.
    mortal_code: MmapVec<Ref<'gil>>,
    marks: Marks,
    immortal: u64,
    /// How many of them the collector knows.
    tracked_immortal: u64,
}

/// Marks everything that a tracked object reaches, but for what is kept mortal, which it hands back.
pub fn mark<'a, 'gil>(
    gil: &Gil<'_>,
    heap: &'a Heap<'gil>,
    classifier: &mut Classifier<'a, 'gil>,
    Prescanned {
        kept,
        tracked,
        arrays,
    }: Prescanned<'gil>,
    bytecode: Option<&Bytecode>,
) -> Result<(Outcome, Marks, KeptMortal<'gil>), Unable> {
    let mut marker = Marker {
        heap,
        classifier,
        kept,
        waiting: [None; AHEAD],
        place: 0,
        untracked: MmapVec::new(),
        code: MmapVec::new(),
        code_walked: 0,
        mortal_code: MmapVec::new(),
        marks: Marks::new()?,
        immortal: 0,
        tracked_immortal: 0,
    };
    heap.each_tracked(|object| {
        marker.references_of(object)?;
        marker.drain()
    })?;
    for &array in arrays.of_objects() {
        heap.each_in_buffer(gil, array, |item| {
            marker.visit(item)?;
            marker.drain()
        })?;
    }
    marker.code_objects(gil)?;
    if let Some(bytecode) = bytecode {
        let all = [marker.code.as_slice(), marker.mortal_code.as_slice()];
        for &code in all.into_iter().flatten() {
            bytecode.trust_marks(gil, heap, code)?;
        }
    }
    let outcome = Outcome {
        unseen: arrays.unseen(),
        ..marker.outcome(tracked)
    };
    Ok((outcome, marker.marks, marker.kept))
}

impl<'gil> Marker<'_, '_, 'gil> {
    /// An object that another refers to: it is marked soon.
    fn visit(&mut self, object: Ref<'gil>) -> Result<(), Stopped> {
        object.fetch();
        self.place = (self.place + 1) % AHEAD;
        let earlier = self.waiting[self.place].replace(object);
        earlier.map_or(Ok(()), |earlier| self.mark(earlier))
    }

    #[inline]
    fn mark(&mut self, object: Ref<'gil>) -> Result<(), Stopped> {
        match self.heap.is_immortal(object) {
            true => Ok(()),
            false => self.mark_mortal(object),
        }
    }

    /// Not a part of [`Self::mark`]: half of all references are to objects that were marked before.
    #[inline(never)]
    fn mark_mortal(&mut self, object: Ref<'gil>) -> Result<(), Stopped> {
        let treatment = self.classifier.of(object);
        if matches!(treatment, Treatment::Mortal(..)) || self.kept.why(object).is_some() {
            match treatment {
                // Its constants may be marked all the same: others hold them, too.
                Treatment::Code => self.mortal_code.push(object)?,
                // Nobody else shows what is in it. It is walked once for each that refers to it.
                Treatment::Dict(_) | Treatment::Tuple(_)
                    if self.heap.count(object) <= FEW && !self.heap.is_tracked(object) =>
                {
                    self.untracked.push(object)?;
                }
                _ => {}
            }
            return Ok(());
        }
        let references = match treatment {
            Treatment::Class(_) => u32::MAX,
            _ => self.heap.count(object),
        };
        self.heap.mark(object);
        self.marks.add(object, references)?;
        self.immortal += 1;
        match treatment {
            Treatment::Leaf => {}
            Treatment::Text => self.heap.fill_hash(object),
            Treatment::Code => self.code.push(object)?,
            _ if self.heap.is_tracked(object) => {
                if let Some(class) = self.heap.as_class(object) {
                    self.heap.fill_version_tag(class);
                }
                self.tracked_immortal += 1;
            }
            Treatment::Class(_) => {
                if let Some(class) = self.heap.as_class(object) {
                    self.heap.fill_version_tag(class);
                }
            }
            Treatment::Dict(_) | Treatment::Tuple(_) => self.untracked.push(object)?,
            _ => {}
        }
        Ok(())
    }

    /// Visits everything that an object refers to: one that the collector knows, a dict or a tuple.
    fn references_of(&mut self, object: Ref<'gil>) -> Result<(), Stopped> {
        let heap = self.heap;
        let treatment = self.classifier.of(object);
        if let Treatment::Dict(_) = treatment {
            heap.each_item(object, |item| self.visit(item))?;
        }
        match treatment.traverse() {
            Some(traverse) => {
                heap.each_reference(object, traverse, |referent| self.visit(referent))
            }
            None => Ok(()),
        }
    }

    /// Goes on with what is untracked.
    fn drain(&mut self) -> Result<(), Stopped> {
        while let Some(object) = self.untracked.pop() {
            self.references_of(object)?;
        }
        Ok(())
    }

    /// Nothing waits any more.
    fn finish(&mut self) -> Result<(), Stopped> {
        while self.waiting.iter().any(Option::is_some) {
            for place in 0..AHEAD {
                if let Some(object) = self.waiting[place].take() {
                    self.mark(object)?;
                }
            }
            self.drain()?;
        }
        Ok(())
    }

    fn code_objects(&mut self, gil: &Gil<'_>) -> Result<(), Stopped> {
        let heap = self.heap;
        self.finish()?;
        while let Some(&code) = self.code.as_slice().get(self.code_walked) {
            self.code_walked += 1;
            heap.each_part(gil, code, |part| self.visit(part))?;
            self.finish()?;
        }
        Ok(())
    }

    fn outcome(&self, tracked: Tracked) -> Outcome {
        let mut outcome = Outcome {
            immortal: self.immortal,
            unreferenced: (tracked.all)
                .saturating_sub(tracked.born_immortal + self.tracked_immortal + tracked.kept),
            ..Outcome::default()
        };
        for (_, reason) in self.kept.all() {
            *match reason {
                Reason::Finalizer => &mut outcome.finalizer,
                Reason::Named => &mut outcome.named,
                Reason::Awaited => &mut outcome.awaited,
                Reason::Foreign => &mut outcome.foreign,
                Reason::Owner => &mut outcome.owner,
                Reason::Linked => &mut outcome.linked,
                Reason::Lock => &mut outcome.lock,
                Reason::Frame => &mut outcome.frame,
            } += 1;
        }
        outcome
    }
}
