#include "cycle_counter.h"

#define DEMCR (*(volatile uint32_t *)0xE000EDFCu)
#define DEMCR_TRCENA (1u << 24)
#define DWT_CTRL (*(volatile uint32_t *)0xE0001000u)
#define DWT_CTRL_CYCCNTENA 1u
#define DWT_CYCCNT (*(volatile uint32_t *)0xE0001004u)
#define DWT_LAR (*(volatile uint32_t *)0xE0001FB0u)
#define LAR_KEY 0xC5ACCE55u /* CoreSight's unlock key; Cortex-M7 ignores writes to the unit without it */

int cycle_counter_start(void) {
    DEMCR |= DEMCR_TRCENA;
    DWT_LAR = LAR_KEY;
    DWT_CYCCNT = 0;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
    const uint32_t before = DWT_CYCCNT;
    for (int i = 0; i < 16; i++) {
        __asm volatile("nop");
    }
    return DWT_CYCCNT != before;
}

uint32_t cycle_counter_now(void) {
    return DWT_CYCCNT;
}

uint64_t wide_counter_update(struct wide_counter *counter, uint32_t now) {
    if (now < counter->last) {
        counter->wraps++;
    }
    counter->last = now;
    return ((uint64_t)counter->wraps << 32) | now;
}
