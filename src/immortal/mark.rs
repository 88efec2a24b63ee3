//! The walk: marks whatever an object refers to. The mark itself says that an object was met.

use std::fmt;

use super::{
    audit::Marks,
    classify::{Classifier, Reason, Treatment},
    prescan::KeptMortal,
    Stopped, Unable,
};
use crate::{
    linux::mmap_vec::MmapVec,
    python::{
        code::Bytecode,
        heap::{Heap, Ref},
        interpreter::Gil,
    },
};

/// What became of the objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Objects made immortal.
    pub immortal: u64,
    /// Objects left mortal because of a finalizer or a resource of the system.
    pub finalizer: u64,
    /// Objects left mortal because they hold such an object.
    pub owner: u64,
    /// Objects left mortal because a weak reference's callback awaits their end.
    pub awaited: u64,
    /// Locks.
    pub lock: u64,
    /// Objects left mortal because a frame holds them.
    pub frame: u64,
    /// Objects that no object refers to: only C code does.
    pub unreferenced: u64,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            immortal,
            finalizer,
            owner,
            awaited,
            lock,
            frame,
            unreferenced,
        } = self;
        write!(
            f,
            "{immortal} objects immortal; left mortal: {finalizer} with a finalizer, {owner} that \
             hold one, {awaited} awaited by a weak reference, {lock} locks, {frame} held by \
             frames, {unreferenced} held by C code"
        )
    }
}

struct Marker<'a, 'c, 'gil> {
    heap: &'a Heap<'gil>,
    classifier: &'c mut Classifier<'a, 'gil>,
    kept: KeptMortal<'gil>,
    /// Met and marked, but not tracked: to be walked here.
    untracked: MmapVec<Ref<'gil>>,
    /// Code objects that were marked, and how many of them were walked.
    code: MmapVec<Ref<'gil>>,
    code_walked: usize,
    /// Code objects that were left mortal, maybe more than once.
    mortal_code: MmapVec<Ref<'gil>>,
    /// Met and left mortal, maybe more than once.
    left: MmapVec<(Ref<'gil>, Reason)>,
    marks: Marks,
    immortal: u64,
    /// How many of them the collector knows.
    tracked_immortal: u64,
}

/// Marks everything that a tracked object reaches, but for what is kept mortal.
pub fn mark<'a, 'gil>(
    gil: &Gil<'_>,
    heap: &'a Heap<'gil>,
    classifier: &mut Classifier<'a, 'gil>,
    kept: KeptMortal<'gil>,
    bytecode: Option<&Bytecode>,
) -> Result<(Outcome, Marks), Unable> {
    let mut marker = Marker {
        heap,
        classifier,
        kept,
        untracked: MmapVec::new(),
        code: MmapVec::new(),
        code_walked: 0,
        mortal_code: MmapVec::new(),
        left: MmapVec::new(),
        marks: Marks::new()?,
        immortal: 0,
        tracked_immortal: 0,
    };
    heap.each_tracked(|object| {
        marker.references_of(object)?;
        marker.drain()
    })?;
    marker.code_objects(gil)?;
    if let Some(bytecode) = bytecode {
        let all = [marker.code.as_slice(), marker.mortal_code.as_slice()];
        for &code in all.into_iter().flatten() {
            bytecode.trust_marks(gil, heap, code)?;
        }
    }
    Ok((marker.outcome(), marker.marks))
}

impl<'gil> Marker<'_, '_, 'gil> {
    /// Marks an object that another refers to.
    fn visit(&mut self, object: Ref<'gil>) -> Result<(), Stopped> {
        if self.heap.is_immortal(object) {
            return Ok(());
        }
        let treatment = self.classifier.of(object);
        let mortal = match treatment {
            Treatment::Mortal(reason, _) => Some(reason),
            _ => self.kept.why(object),
        };
        if let Some(reason) = mortal {
            if let Treatment::Code = treatment {
                // Its constants may be marked all the same: others hold them, too.
                self.mortal_code.push(object)?;
            }
            self.left.push((object, reason))?;
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
        let traverse = match self.classifier.of(object) {
            Treatment::Dict(traverse) => {
                heap.each_item(object, |item| self.visit(item))?;
                Some(traverse)
            }
            Treatment::Tuple(traverse)
            | Treatment::Class(traverse)
            | Treatment::Instance(traverse)
            | Treatment::Other(traverse) => Some(traverse),
            Treatment::Weak(traverse) | Treatment::Mortal(_, traverse) => traverse,
            Treatment::Leaf | Treatment::Text | Treatment::Code => None,
        };
        match traverse {
            Some(traverse) => {
                heap.each_reference(object, traverse, |referent| self.visit(referent))
            }
            None => Ok(()),
        }
    }

    fn drain(&mut self) -> Result<(), Stopped> {
        while let Some(object) = self.untracked.pop() {
            self.references_of(object)?;
        }
        Ok(())
    }

    fn code_objects(&mut self, gil: &Gil<'_>) -> Result<(), Stopped> {
        let heap = self.heap;
        while let Some(&code) = self.code.as_slice().get(self.code_walked) {
            self.code_walked += 1;
            heap.each_part(gil, code, |part| {
                self.visit(part)?;
                self.drain()
            })?;
        }
        Ok(())
    }

    fn outcome(&mut self) -> Outcome {
        self.left.as_mut_slice().sort_unstable();
        let (mut outcome, mut tracked_left, mut last) = (Outcome::default(), 0, None);
        for &(object, reason) in self.left.as_slice() {
            if last == Some(object) {
                continue;
            }
            last = Some(object);
            *match reason {
                Reason::Finalizer => &mut outcome.finalizer,
                Reason::Owner => &mut outcome.owner,
                Reason::Awaited => &mut outcome.awaited,
                Reason::Lock => &mut outcome.lock,
                Reason::Frame => &mut outcome.frame,
            } += 1;
            tracked_left += u64::from(self.heap.is_tracked(object));
        }
        outcome.immortal = self.immortal;
        outcome.unreferenced = (self.kept.tracked)
            .saturating_sub(self.kept.born_immortal + self.tracked_immortal + tracked_left);
        outcome
    }
}
