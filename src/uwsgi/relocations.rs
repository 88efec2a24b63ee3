//! The words through which uWSGI's own code calls a function of libc.
//!
//! An object that calls `exit` of another has a slot for its address, which the loader fills
//! (ELF: `R_*_JUMP_SLOT`, or `R_*_GLOB_DAT` where it was linked without lazy binding). Who writes the
//! slot stands in every such call of that object, and in no other's.

use std::{
    ffi::{c_int, c_void, CStr},
    io, ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::mm::{mprotect, MprotectFlags};

use super::host::Host;
use crate::guard::guard;

#[cfg(target_arch = "x86_64")]
const KINDS: [u32; 2] = [7, 6];
#[cfg(target_arch = "aarch64")]
const KINDS: [u32; 2] = [1026, 1025];

/// `DT_*` of a dynamic section (elf.h).
const PLTRELSZ: u64 = 2;
const STRTAB: u64 = 5;
const SYMTAB: u64 = 6;
const RELA: u64 = 7;
const RELASZ: u64 = 8;
const JMPREL: u64 = 23;

/// `Elf64_Rela`
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Rela {
    offset: u64,
    info: u64,
    _addend: i64,
}

/// `Elf64_Dyn`
#[repr(C)]
#[derive(Clone, Copy)]
struct Dyn {
    tag: u64,
    value: u64,
}

/// The offsets of the slots among `relocations` whose symbol `is_wanted`.
fn slots<'a>(
    relocations: &'a [Rela],
    is_wanted: impl Fn(u32) -> bool + 'a,
) -> impl Iterator<Item = u64> + 'a {
    let wanted = move |rela: &&Rela| {
        KINDS.contains(&(rela.info as u32)) && is_wanted((rela.info >> 32) as u32)
    };
    relocations.iter().filter(wanted).map(|rela| rela.offset)
}

/// What one loaded object says of itself.
struct Image {
    base: usize,
    /// Where the loader made pages read-only once it was through (`PT_GNU_RELRO`).
    relro: std::ops::Range<usize>,
    dynamic: *const Dyn,
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
    let mut found = image.slots_of(name).peekable();
    found.peek().ok_or_else(missing)?;
    for slot in found {
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
            let base = info.dlpi_addr as usize;
            let range = |header: &libc::Elf64_Phdr| {
                let start = base + header.p_vaddr as usize;
                start..start + header.p_memsz as usize
            };
            let of_type = |kind| move |header: &&libc::Elf64_Phdr| header.p_type == kind;
            if headers
                .iter()
                .filter(of_type(libc::PT_LOAD))
                .any(|header| range(header).contains(&search.address))
            {
                let dynamic = headers.iter().find(of_type(libc::PT_DYNAMIC));
                let relro = headers.iter().find(of_type(libc::PT_GNU_RELRO));
                search.found = dynamic.map(|dynamic| Image {
                    base,
                    relro: relro.map_or(0..0, range),
                    dynamic: ptr::with_exposed_provenance(range(dynamic).start),
                });
                return 1;
            }
            0
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
    /// The entry of the dynamic section with that tag.
    fn entry(&self, tag: u64) -> Option<u64> {
        let mut entry = self.dynamic;
        loop {
            // SAFETY: the loaded object's dynamic section, which ends with an entry of tag 0.
            let found = unsafe { entry.read() };
            if found.tag == 0 || found.tag == tag {
                return (found.tag == tag).then_some(found.value);
            }
            // SAFETY: as above; this was not the last.
            entry = unsafe { entry.add(1) };
        }
    }

    /// An address out of the dynamic section: glibc has added the base, other loaders leave offsets.
    fn pointer(&self, tag: u64) -> Option<usize> {
        let value = self.entry(tag)? as usize;
        Some(if value < self.base {
            self.base + value
        } else {
            value
        })
    }

    fn relocations(&self, table: u64, size: u64) -> &[Rela] {
        let (Some(start), Some(bytes)) = (self.pointer(table), self.entry(size)) else {
            return &[];
        };
        let count = bytes as usize / size_of::<Rela>();
        // SAFETY: the loaded object's table, of that size in bytes, never written.
        unsafe { std::slice::from_raw_parts(ptr::with_exposed_provenance(start), count) }
    }

    fn slots_of<'a>(&'a self, name: &'a CStr) -> impl Iterator<Item = usize> + 'a {
        let names = self.pointer(SYMTAB).zip(self.pointer(STRTAB));
        let is_wanted = move |symbol: u32| {
            names.is_some_and(|(symbols, strings)| {
                let symbols = ptr::with_exposed_provenance::<libc::Elf64_Sym>(symbols);
                // SAFETY: a relocation names a symbol of the object's own table by its index.
                let offset = unsafe { (*symbols.add(symbol as usize)).st_name } as usize;
                // SAFETY: and that a NUL-terminated name in the object's string table.
                let found =
                    unsafe { CStr::from_ptr(ptr::with_exposed_provenance(strings + offset)) };
                found == name
            })
        };
        let tables = [(JMPREL, PLTRELSZ), (RELA, RELASZ)];
        tables
            .into_iter()
            .flat_map(move |(table, size)| slots(self.relocations(table, size), is_wanted))
            .map(|offset| self.base + offset as usize)
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
            protect(MprotectFlags::READ)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_told_from_other_relocations() {
        let rela = |offset, kind: u32, symbol: u64| Rela {
            offset,
            info: symbol << 32 | u64::from(kind),
            _addend: 0,
        };
        let all = [
            rela(8, KINDS[0], 3),
            rela(16, 1, 3),
            rela(24, KINDS[1], 3),
            rela(32, KINDS[0], 4),
        ];
        let found: Vec<u64> = slots(&all, |symbol| symbol == 3).collect();
        assert_eq!(found, [8, 24]);
    }
}
