/*
 * Compiled against the headers of every CPython found, never linked: what
 * pycow reads of CPython's memory lies where src/python looks for it. Each
 * struct ends where its last member here ends, so none is forgotten.
 */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>
#if PY_VERSION_HEX >= 0x03090000
#include <internal/pycore_runtime.h>
#else
#include <internal/pycore_pystate.h>
#endif

#define AT(type, member, offset, kind) \
	_Static_assert(offsetof(type, member) == (offset), #type "." #member); \
	_Static_assert(sizeof(((type *)0)->member) == sizeof(kind), "size of " #type "." #member); \
	_Static_assert(__builtin_types_compatible_p(__typeof__(((type *)0)->member), kind), \
		"type of " #type "." #member)
#define IS(value, expected) _Static_assert((value) == (expected), #value)

/* the head of every object: heap.rs, reference.rs, gc_methods.rs */
AT(PyObject, ob_refcnt, 0, COUNT);
AT(PyObject, ob_type, 8, PyTypeObject *);
IS(sizeof(PyObject), 16);

/* and of those of variable size: code.rs, blocks.rs */
AT(PyVarObject, ob_base, 0, PyObject);
AT(PyVarObject, ob_size, 16, Py_ssize_t);

/* weak references: heap.rs, `awaited`. The rest is not read. */
AT(PyWeakReference, ob_base, 0, PyObject);
AT(PyWeakReference, wr_object, 16, PyObject *);
AT(PyWeakReference, wr_callback, 24, PyObject *);

/* builtin functions and their rows: gc_methods.rs, gc_callbacks.rs */
AT(PyCFunctionObject, ob_base, 0, PyObject);
AT(PyCFunctionObject, m_ml, 16, PyMethodDef *);
AT(PyMethodDef, ml_name, 0, const char *);
AT(PyMethodDef, ml_meth, 8, PyCFunction);
AT(PyMethodDef, ml_flags, 16, int);
AT(PyMethodDef, ml_doc, 24, const char *);
IS(sizeof(PyMethodDef), 32);
IS(METH_VARARGS, 1);
IS(METH_NOARGS, 4);

/* the items of an array: buffer.rs. `Py_buffer` is that of every version. */
AT(Py_buffer, buf, 0, void *);
AT(Py_buffer, obj, 8, PyObject *);
AT(Py_buffer, len, 16, Py_ssize_t);
AT(Py_buffer, itemsize, 24, Py_ssize_t);
AT(Py_buffer, readonly, 32, int);
AT(Py_buffer, ndim, 36, int);
AT(Py_buffer, format, 40, char *);
AT(Py_buffer, shape, 48, Py_ssize_t *);
AT(Py_buffer, strides, 56, Py_ssize_t *);
AT(Py_buffer, suboffsets, 64, Py_ssize_t *);
AT(Py_buffer, internal, 72, void *);
IS(sizeof(Py_buffer), 80);
IS(PyBUF_FULL_RO, 0x11c);

/* classes and their objects, by the word: blocks.rs */
AT(PyTypeObject, ob_base, 0, PyVarObject);
AT(PyTypeObject, tp_basicsize, 4 * 8, Py_ssize_t);
AT(PyTypeObject, tp_itemsize, 5 * 8, Py_ssize_t);
AT(PyTypeObject, tp_flags, 21 * 8, unsigned long);
IS(Py_TPFLAGS_READY, 1UL << 12);
IS(Py_TPFLAGS_HAVE_GC, 1UL << 14);
IS(sizeof(PyTupleObject), offsetof(PyTupleObject, ob_item) + 8);
IS(offsetof(PyBytesObject, ob_sval), 32);
#if PY_VERSION_HEX >= 0x030c0000
IS(sizeof(PyASCIIObject), 40);
IS(sizeof(PyUnicodeObject), 64);
#else
IS(sizeof(PyASCIIObject), 48);
IS(sizeof(PyUnicodeObject), 80);
#endif

/* what instances of a class are: heap.rs, `Flags` */
IS(Py_TPFLAGS_LONG_SUBCLASS, 1UL << 24);
IS(Py_TPFLAGS_LIST_SUBCLASS, 1UL << 25);
IS(Py_TPFLAGS_TUPLE_SUBCLASS, 1UL << 26);
IS(Py_TPFLAGS_BYTES_SUBCLASS, 1UL << 27);
IS(Py_TPFLAGS_UNICODE_SUBCLASS, 1UL << 28);
IS(Py_TPFLAGS_DICT_SUBCLASS, 1UL << 29);
IS(Py_TPFLAGS_BASE_EXC_SUBCLASS, 1UL << 30);
IS(Py_TPFLAGS_TYPE_SUBCLASS, 1UL << 31);

/* the numbers of slots: heap.rs, `Slot` */
#if PY_VERSION_HEX >= 0x03090000
/* before that it has no number, and is not asked for: marks come with 3.12 */
IS(Py_bf_getbuffer, 1);
#endif
IS(Py_tp_base, 48);
IS(Py_tp_dealloc, 52);
IS(Py_tp_del, 53);
IS(Py_tp_traverse, 71);
IS(Py_tp_finalize, 80);

/* marks: refcount.rs, `RefcountLayout` */
#if PY_VERSION_HEX >= 0x030e0000
AT(PyObject, ob_flags, 6, uint16_t);
IS(_Py_IMMORTAL_INITIAL_REFCNT & 0xffffffff, 3ULL << 30);
IS(_Py_IMMORTAL_FLAGS, 1);
#elif PY_VERSION_HEX >= 0x030c0000
IS(_Py_IMMORTAL_REFCNT, 0xffffffff);
#endif

/* the first unit of bytecode: code.rs, which takes it from the class's size. 3.11 was the first to
 * keep it in the object. A unit is two bytes. */
#if PY_VERSION_HEX >= 0x030b0000
const size_t pycow_bytecode_at = offsetof(PyCodeObject, co_code_adaptive);
#if PY_VERSION_HEX < 0x030d0000
IS(sizeof(((PyCodeObject *)0)->co_code_adaptive), 1);
#endif
#endif

/* the list of interpreters: interpreter_list.rs, which looks for two words, one behind the other */
_Static_assert(offsetof(_PyRuntimeState, interpreters.main)
	== offsetof(_PyRuntimeState, interpreters.head) + sizeof(PyInterpreterState *), "interpreters");
IS(offsetof(_PyRuntimeState, interpreters.head) % sizeof(PyInterpreterState *), 0);

/* the head of a pool: blocks.rs (3.12 was the first to have it in a header) */
#if PY_VERSION_HEX >= 0x030c0000
#include <internal/pycore_obmalloc.h>
AT(struct pool_header, szidx, 4 * 8 + 4, unsigned int);
AT(struct pool_header, nextoffset, 5 * 8, unsigned int);
AT(struct pool_header, maxnextoffset, 5 * 8 + 4, unsigned int);
IS(POOL_SIZE, 16 * 1024);
IS(ALIGNMENT, 16);
#endif
