/*
 * Compiled, never linked: the build fails if the include-free types differ
 * from the platform's, or if a struct has padding that its members do not ask
 * for. The figures are those of an LP64 platform.
 */
#include <stddef.h>
#include <stdint.h>

#define uint8_t pycow_uint8
#define uint16_t pycow_uint16
#define uint64_t pycow_uint64
#define size_t pycow_size
#include "plugin.h"
#undef uint8_t
#undef uint16_t
#undef uint64_t
#undef size_t

_Static_assert(sizeof(pycow_uint8) == sizeof(uint8_t), "uint8_t");
_Static_assert(sizeof(pycow_uint16) == sizeof(uint16_t), "uint16_t");
_Static_assert(sizeof(pycow_uint64) == sizeof(uint64_t), "uint64_t");
_Static_assert(sizeof(pycow_size) == sizeof(size_t), "size_t");

_Static_assert(offsetof(struct uwsgi_option, help) == 16, "two ints stand before help");
_Static_assert(sizeof(struct uwsgi_option) == 48, "a row of options");

/* every member of uwsgi_plugin takes one pointer's room, modifier1 with its padding too */
#define SLOT(member, n) \
	_Static_assert(offsetof(struct uwsgi_plugin, member) == (n) * sizeof(void *), #member)
SLOT(modifier1, 2);
SLOT(data, 3);
SLOT(init, 5);
SLOT(post_fork, 7);
SLOT(after_request, 12);
SLOT(fixup, 16);
SLOT(master_fixup, 17);
SLOT(mount_app, 19);
SLOT(hijack_worker, 24);
SLOT(atexit, 26);
SLOT(worker, 47);
SLOT(post_uwsgi_fork, 50);
_Static_assert(sizeof(struct uwsgi_plugin) == 51 * sizeof(void *), "the exported table");
