/* SPDX-License-Identifier: Apache-2.0 */
/* The one function of a fuzz target, called by libFuzzer or by replay.c. */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/** Feeds `length` hostile bytes to the code under test; 0 always. Must leave nothing behind. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#endif
