/* SPDX-License-Identifier: BSD-3-Clause */
/* hostile.h - the offences, by where they are committed. Each returns the program's exit code: 0 if tasd
 * treated the offender as it should. */
#ifndef TAS_TESTS_E2E_HOSTILE_H
#define TAS_TESTS_E2E_HOSTILE_H

/* Arguments are those after the word that names the offence. */
typedef int hostile_offence(int argc, char **argv);

hostile_offence hostile_scribble, hostile_harmless; /* hostile_scribble.c */
hostile_offence hostile_visit, hostile_bell, hostile_twin, hostile_flags, hostile_pry; /* hostile_bell.c */
hostile_offence hostile_holes, hostile_peek, hostile_seal;                             /* hostile_memory.c */
hostile_offence hostile_stall, hostile_wake, hostile_dear;                             /* the same */
hostile_offence hostile_control, hostile_greedy, hostile_flood;                        /* hostile_control.c */
hostile_offence hostile_torrent, hostile_chatter, hostile_hoard;                       /* hostile_busy.c */

#endif
