/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz.h - what libFuzzer and its programs agree on: https://llvm.org/docs/LibFuzzer.html */
#ifndef TAS_FUZZ_FUZZ_H
#define TAS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Each program has these; the first is called once. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* libFuzzer's. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Mutation of steps (input.h), for LLVMFuzzerCustomMutator(). */
size_t input_mutate(uint8_t *b, size_t len, size_t max, unsigned seed);

/* For the LLVMFuzzerInitialize() of every program: a failed assertion of cmocka is a crash, not an exit. */
void fuzz_start(void);

#endif
