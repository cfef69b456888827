/* SPDX-License-Identifier: BSD-3-Clause */
/* still - does nothing, linked statically, whatever its arguments are. */
int main(void) { return 0; }
