/* Level-1 caches of the Cortex-M7 (Armv7-M Architecture Reference Manual, B2.2). */
#ifndef CACHES_H
#define CACHES_H

/* Invalidates a cache and enables it. Nobody but the core reads or writes the memory here (no DMA), so
 * that no further maintenance is needed. */
void enable_instruction_cache(void);
void enable_data_cache(void);

#endif
