/* What the core's protection forbids: its memory protection unit (Armv7-M Architecture Reference Manual,
 * B3.5), or on Armv8-M, whose unit cannot forbid all access, the stack's limit. */
#ifndef MEMORY_PROTECTION_H
#define MEMORY_PROTECTION_H

#include <stdint.h>

/* On Armv8-M forbids a stack pointer below stack_low. On Armv7-M forbids, where the core has the unit:
 * - the 64 KiB below the stack, so that an overflow faults even where something answers there, as in QEMU;
 *   only where stack_low is a multiple of 64 KiB, which the unit's regions demand;
 * - the external memories, 0x60000000 to 0xDFFFFFFF. By default they count as normal memory, which a
 *   Cortex-M7 may read speculatively; a controller without a memory behind it can stall such a read. */
void protect_memory(uintptr_t stack_low);

#endif
