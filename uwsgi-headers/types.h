/*
 * The few integer types that uWSGI's plugin interface names, for x86-64 and
 * every other LP64 platform. No header of the compiler is included, so that
 * bindgen needs nothing but libclang itself. layout.c compares them with the
 * platform's own <stdint.h> and <stddef.h>.
 */
#ifndef PYCOW_TYPES_H
#define PYCOW_TYPES_H

typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned long uint64_t;
typedef unsigned long size_t;

#endif
