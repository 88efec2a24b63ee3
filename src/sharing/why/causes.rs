//! What wrote to a page, told from its words and those of its original.

/// An object on a page.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    /// The word of its count; its class is in the next.
    pub word: usize,
    /// The number of its class.
    pub class: usize,
    /// The collector's two words stand before it.
    pub is_collected: bool,
    /// The original has something else at its place.
    pub is_new: bool,
}

/// What made a page private. Where several things wrote to it, the strongest is told: the one that is
/// the hardest to do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Counts of references, and nothing else: immortal objects would have kept the page.
    ReferenceCounts,
    /// The collector, over objects that are not frozen.
    Collection,
    /// Content: objects that changed, came or went.
    Writes,
    /// The page is as it was, and no object lies on it; or its original is not to be had.
    Unknown,
}

/// The cause of one page. `collected`: a full collection went over what was inherited, and put back what
/// it wrote.
pub fn cause(own: &[u64], original: &[u64], objects: &[Object], collected: bool) -> Cause {
    let mut objects_left = objects.iter().filter(|it| !it.is_new).peekable();
    let (mut counts, mut heads) = (false, false);
    let changed = own.iter().zip(original).enumerate();
    for (word, _) in changed.filter(|(_, (own, original))| own != original) {
        while objects_left.next_if(|it| it.word < word).is_some() {}
        match objects_left.peek() {
            Some(object) if object.word == word => counts = true,
            Some(object) if object.is_collected && object.word - word <= 2 => heads = true,
            _ => return Cause::Writes,
        }
    }
    if heads || collected && objects.iter().any(|it| it.is_collected) {
        Cause::Collection
    } else if counts || !objects.is_empty() {
        // A count that is back where it was has been written all the same.
        Cause::ReferenceCounts
    } else {
        Cause::Unknown
    }
}

/// The object at that index has changed: itself, or what stands behind it up to the next one.
pub fn is_changed(own: &[u64], original: &[u64], objects: &[Object], index: usize) -> bool {
    let head =
        |object: &Object| object.word - object.word.min(2 * usize::from(object.is_collected));
    let from = head(&objects[index]);
    let to = objects.get(index + 1).map_or(own.len(), head);
    own.get(from..to) != original.get(from..to)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn object(word: usize, is_collected: bool) -> Object {
        Object {
            word,
            class: 0,
            is_collected,
            is_new: false,
        }
    }

    /// Two objects on a page of 16 words; the second has a head.
    const OBJECTS: [Object; 2] = [object(2, false), object(8, true)];

    fn after(writes: &[usize], collected: bool) -> Cause {
        let original = [7; 16];
        let mut own = original;
        writes.iter().for_each(|&word| own[word] += 1);
        cause(&own, &original, &OBJECTS, collected)
    }

    #[test]
    fn the_strongest_cause_is_told() {
        assert_eq!(after(&[], false), Cause::ReferenceCounts);
        assert_eq!(after(&[2, 8], false), Cause::ReferenceCounts);
        assert_eq!(after(&[2, 6], false), Cause::Collection);
        assert_eq!(after(&[7], false), Cause::Collection);
        assert_eq!(after(&[2], true), Cause::Collection);
        for elsewhere in [0, 1, 3, 5, 9, 15] {
            assert_eq!(
                after(&[2, 7, elsewhere], true),
                Cause::Writes,
                "{elsewhere}"
            );
        }
        assert_eq!(cause(&[1, 2], &[1, 2], &[], true), Cause::Unknown);
    }

    #[test]
    fn what_came_into_a_hole_is_a_write() {
        let mut objects = OBJECTS;
        objects[0].is_new = true;
        let (mut own, original) = ([7; 16], [7; 16]);
        own[2] = 1;
        assert_eq!(cause(&own, &original, &objects, false), Cause::Writes);
    }

    #[test]
    fn an_object_ends_where_the_next_begins() {
        let changed = |word: usize| {
            let mut own = [7; 16];
            own[word] = 8;
            [0, 1].map(|index| is_changed(&own, &[7; 16], &OBJECTS, index))
        };
        assert_eq!(changed(0), [false, false]);
        assert_eq!(changed(2), [true, false]);
        assert_eq!(changed(5), [true, false]);
        assert_eq!(changed(6), [false, true]);
        assert_eq!(changed(15), [false, true]);
    }
}
