/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks for messages, used again: one thread makes messages, another frees them, and the allocator of the C library
 * takes a lock for each of these. Here threads pass whole magazines of blocks to each other.
 *
 * Under a sanitizer every block is an allocation of its own, so that use after free shows.
 *
 * Threads: any. What is kept is as much as was in use at once, and at most SLABS_MAX bytes a class; what is above
 * that is allocated and freed one by one.
 */
#ifndef BINDINGS_POOL_H
#define BINDINGS_POOL_H

#include <stddef.h>
#include <stdint.h>

/** A block of at least `size` bytes, not cleared; NULL: no memory. */
void *rv__pool_take(size_t size, uint8_t *ret_class);

/** Gives a block back, with the class that rv__pool_take() told. */
void rv__pool_give(void *block, uint8_t size_class);

#endif
