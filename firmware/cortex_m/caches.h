/* Level-1 caches and speculation of the Cortex-M7 (Armv7-M Architecture Reference Manual, B2.2 and B3.5). */
#ifndef CACHES_H
#define CACHES_H

/* Invalidates and enables both caches. Nobody but the core reads or writes the memory here (no DMA), so
 * that no further maintenance is needed. */
void enable_caches(void);

/* Forbids the external memory range 0x60000000 to 0xDFFFFFFF. By default it counts as normal memory, which
 * the core may read speculatively; a controller without a memory behind it can stall such a read for ever. */
void block_speculative_reads(void);

#endif
