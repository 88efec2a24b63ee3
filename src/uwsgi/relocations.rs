//! The words through which uWSGI's own code calls a function of libc.
//!
//! An object that calls `exit` of another has a slot for its address, which the loader fills
//! (ELF: `R_*_JUMP_SLOT`, or `R_*_GLOB_DAT` where it was linked without lazy binding). Who writes the
//! slot stands in every such call of that object, and in no other's.

use std::{
    ffi::{c_int, c_void, CStr},
    io,
    ops::Range,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::mm::{mprotect, MprotectFlags};

use super::{
    elf::{Memory, Object},
    host::Host,
};
use crate::guard::guard;

/// The memory of one loaded object, as its program headers tell.
struct Image {
    base: usize,
    /// What of it can be read, and what written once its relocations are done.
    segments: Vec<Segment>,
    /// Where the loader made pages read-only once it was through (`PT_GNU_RELRO`).
    relro: Range<usize>,
    dynamic: Range<usize>,
}

/// A `PT_LOAD` header.
struct Segment {
    range: Range<usize>,
    is_readable: bool,
    is_writable: bool,
}

/// Has uWSGI's own calls of the libc function `name` go to `function` instead.
///
/// An error says why that cannot be had; then nothing was changed.
///
/// # Safety
/// `function` has the signature of the one that it replaces, may be called wherever uWSGI calls that,
/// and lives as long as the process.
pub unsafe fn redirect(host: &Host, name: &CStr, function: *const c_void) -> io::Result<()> {
    let missing = || io::Error::new(io::ErrorKind::NotFound, "no relocation slot");
    let image = image_of(host.own_code()).ok_or_else(missing)?;
    let object = Object::new(&image, image.base, image.dynamic.clone());
    let slots: Vec<usize> = object
        .slots_of(name.to_bytes())
        .filter(|slot| image.is_writable(*slot))
        .collect();
    if slots.is_empty() {
        return Err(missing());
    }
    for slot in slots {
        image.write(slot, function as usize)?;
    }
    Ok(())
}

/// The object that `address` lies in.
fn image_of(address: usize) -> Option<Image> {
    struct Search {
        address: usize,
        found: Option<Image>,
    }

    unsafe extern "C" fn look(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        search: *mut c_void,
    ) -> c_int {
        guard(1, || {
            // SAFETY: dl_iterate_phdr(3) hands out a valid record, and the pointer given below.
            let (info, search) = unsafe { (&*info, &mut *search.cast::<Search>()) };
            if info.dlpi_phdr.is_null() {
                return 0;
            }
            // SAFETY: that many program headers, loaded as long as the object is.
            let headers =
                unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
            let image = Image::of(info.dlpi_addr as usize, headers);
            let is_inside = |segment: &Segment| segment.range.contains(&search.address);
            let is_it = image.segments.iter().any(is_inside);
            if is_it {
                search.found = Some(image);
            }
            is_it.into()
        })
    }

    let mut search = Search {
        address,
        found: None,
    };
    // SAFETY: `look` takes the search for what it is, and nobody keeps it.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
    search.found
}

impl Image {
    fn of(base: usize, headers: &[libc::Elf64_Phdr]) -> Self {
        let range = |header: &libc::Elf64_Phdr| {
            let start = base.saturating_add(header.p_vaddr as usize);
            start..start.saturating_add(header.p_memsz as usize)
        };
        let of_type = |kind| move |header: &&libc::Elf64_Phdr| header.p_type == kind;
        let first = |kind| headers.iter().find(of_type(kind)).map_or(0..0, range);
        let segment = |header: &libc::Elf64_Phdr| Segment {
            range: range(header),
            is_readable: header.p_flags & libc::PF_R != 0,
            is_writable: header.p_flags & libc::PF_W != 0,
        };
        Self {
            base,
            segments: headers
                .iter()
                .filter(of_type(libc::PT_LOAD))
                .map(segment)
                .collect(),
            relro: first(libc::PT_GNU_RELRO),
            dynamic: first(libc::PT_DYNAMIC),
        }
    }

    /// A whole word of the object's data lies there.
    fn is_writable(&self, slot: usize) -> bool {
        let end = slot.saturating_add(size_of::<usize>());
        self.segments.iter().any(|segment| {
            segment.is_writable && segment.range.contains(&slot) && end <= segment.range.end
        })
    }

    fn write(&self, slot: usize, value: usize) -> io::Result<()> {
        let page = rustix::param::page_size();
        let start = ptr::with_exposed_provenance_mut::<c_void>(slot & !(page - 1));
        let is_protected = self.relro.contains(&slot);
        let protect = |flags| -> io::Result<()> {
            // SAFETY: a page of the object's data, which stays readable throughout.
            Ok(unsafe { mprotect(start, page, flags) }?)
        };
        if is_protected {
            protect(MprotectFlags::READ | MprotectFlags::WRITE)?;
        }
        let slot = ptr::with_exposed_provenance::<AtomicUsize>(slot);
        // SAFETY: an aligned word of the object's writable data, that code reads as a whole.
        unsafe { (*slot).store(value, Ordering::SeqCst) };
        if is_protected {
            // The slot is written: a page that stays writable is no reason to say that it is not.
            let _ = protect(MprotectFlags::READ);
        }
        Ok(())
    }
}

impl Memory for &Image {
    fn read<const N: usize>(&self, address: usize) -> Option<[u8; N]> {
        let end = address.checked_add(N)?;
        let holds = |segment: &&Segment| {
            let range = &segment.range;
            segment.is_readable && range.start <= address && end <= range.end
        };
        self.segments.iter().find(holds)?;
        let bytes = ptr::with_exposed_provenance::<[u8; N]>(address);
        // SAFETY: within a segment that the loader mapped to be read, and that stays as long as uWSGI.
        Some(unsafe { bytes.read_volatile() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_this_process_is_found_and_no_other_memory_is_read() {
        let own = image_of(image_of as *const () as usize).unwrap();
        let image = &own;
        let start = own.segments[0].range.start;
        assert_eq!(image.read::<4>(start), Some(*b"\x7fELF"));
        assert_eq!(image.read::<4>(start - 2), None);
        assert_eq!(image.read::<1>(0), None);
        assert_eq!(image.read::<8>(usize::MAX - 3), None);
        assert!(!image.is_writable(start));

        let object = Object::new(image, own.base, own.dynamic.clone());
        let slots: Vec<usize> = object.slots_of(b"dl_iterate_phdr").collect();
        assert!(!slots.is_empty());
        assert!(slots.iter().all(|slot| image.is_writable(*slot)));
        assert_eq!(object.slots_of(b"no_such_function").count(), 0);
    }
}
