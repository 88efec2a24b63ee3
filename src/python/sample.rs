//! What some of the young objects say of all: how many of them are garbage.
//!
//! It is what the collector does (Python/gc.c, `deduce_unreachable`), for some objects and without writing:
//! from the count of each, the references that the others hold are taken away; whatever then has one left, and
//! what that leads to, is in use.

use super::{
    heap::Heap,
    interpreter::{Gil, Python},
    object::Ref,
    refcount::RefcountLayout,
    walk::Panicked,
};

/// How many objects were looked at, and how many of them are garbage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Objects looked at.
    pub looked_at: u64,
    /// Those that only each other hold.
    pub garbage: u64,
}

/// The walk is over.
enum Stop {
    Enough,
    Panicked,
}

impl From<Panicked> for Stop {
    fn from(_: Panicked) -> Self {
        Self::Panicked
    }
}

/// Looks at so many of this interpreter's young objects, the oldest first, and at as many that follow
/// upon the first `skip`.
///
/// `None` before CPython 3.12, and where the layout of counts is not known.
pub fn of_young(gil: &Gil<'_>, python: &Python, objects: u64, skip: u64) -> Option<Sample> {
    let layout = RefcountLayout::of(python.version())?;
    // SAFETY: the GIL is held until the end of this function, and no Python code runs meanwhile.
    let heap = unsafe { Heap::hold(gil, python, layout) }.ok()?;
    let mut chosen = Vec::with_capacity(usize::try_from(objects * 2).ok()?);
    let (mut place, second) = (0, skip.max(objects));
    let walked = heap.each_tracked(|object| {
        if place < objects || place >= second {
            chosen.push(object);
        }
        place += 1;
        match place < second + objects {
            true => Ok(()),
            false => Err(Stop::Enough),
        }
    });
    if matches!(walked, Err(Stop::Panicked)) {
        return None;
    }
    let garbage = Chosen::new(&heap, chosen).garbage().ok()?;
    Some(garbage)
}

/// Objects that are looked at together.
struct Chosen<'h, 'gil> {
    heap: &'h Heap<'gil>,
    /// In the order of their addresses.
    objects: Vec<Ref<'gil>>,
}

impl<'h, 'gil> Chosen<'h, 'gil> {
    fn new(heap: &'h Heap<'gil>, mut objects: Vec<Ref<'gil>>) -> Self {
        objects.sort_unstable();
        Self { heap, objects }
    }

    /// The places of those that an object refers to.
    fn each_held(&self, place: usize, mut body: impl FnMut(usize)) -> Result<(), Panicked> {
        let object = self.objects[place];
        match self.heap.traverse_of(self.heap.class_of(object)) {
            Some(traverse) => self.heap.each_reference(object, traverse, |held| {
                if let Ok(place) = self.objects.binary_search(&held) {
                    body(place);
                }
                Ok(())
            }),
            None => Ok(()),
        }
    }

    fn garbage(&self) -> Result<Sample, Panicked> {
        // A mark is more references than there are.
        let mut counts: Vec<_> = self.objects.iter().map(|&it| self.heap.count(it)).collect();
        for place in 0..self.objects.len() {
            self.each_held(place, |held| counts[held] = counts[held].saturating_sub(1))?;
        }
        let mut in_use: Vec<_> = counts.iter().map(|&count| count > 0).collect();
        let roots = in_use.iter().enumerate().filter(|(_, &used)| used);
        let mut left: Vec<usize> = roots.map(|(place, _)| place).collect();
        while let Some(place) = left.pop() {
            self.each_held(place, |held| {
                if !std::mem::replace(&mut in_use[held], true) {
                    left.push(held);
                }
            })?;
        }
        let count = |objects: usize| u64::try_from(objects).unwrap_or(u64::MAX);
        Ok(Sample {
            looked_at: count(in_use.len()),
            garbage: count(in_use.iter().filter(|&&used| !used).count()),
        })
    }
}
