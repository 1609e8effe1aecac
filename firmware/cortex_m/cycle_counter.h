/* The cycle counter of the Data Watchpoint and Trace unit (Armv7-M Architecture Reference Manual, C1.8). */
#ifndef CYCLE_COUNTER_H
#define CYCLE_COUNTER_H

#include <stdint.h>

/* Starts the counter from 0. Returns 1 where it moves; 0 where the core has none, as in QEMU. */
int cycle_counter_start(void);

/* Core cycles modulo 2^32. */
uint32_t cycle_counter_now(void);

/* Extends a 32-bit counter that counts up. Right as long as it is called at least once per wrap. */
struct wide_counter {
    uint32_t last;
    uint32_t wraps;
};
uint64_t wide_counter_update(struct wide_counter *counter, uint32_t now);

#endif
