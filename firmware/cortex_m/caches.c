#include "caches.h"

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SCB_CCR REGISTER(0xE000ED14u)
#define SCB_CCR_DC (1u << 16)
#define SCB_CCR_IC (1u << 17)
#define SCB_CCSIDR REGISTER(0xE000ED80u)
#define SCB_CSSELR REGISTER(0xE000ED84u)
#define SCB_ICIALLU REGISTER(0xE000EF50u)
#define SCB_DCISW REGISTER(0xE000EF60u)

static void barrier(void) {
    __asm volatile("dsb\n\tisb" ::: "memory");
}

/* Lines are 32 bytes (Cortex-M7 Technical Reference Manual, "L1 caches"): a set's number stands at bit 5,
 * a way's number at bit 30, as there are four ways. */
static void invalidate_data_cache(void) {
    SCB_CSSELR = 0; /* level 1, data */
    barrier();
    const uint32_t geometry = SCB_CCSIDR;
    const uint32_t last_set = (geometry >> 13) & 0x7FFFu;
    const uint32_t last_way = (geometry >> 3) & 0x3FFu;
    for (uint32_t set = 0; set <= last_set; set++) {
        for (uint32_t way = 0; way <= last_way; way++) {
            SCB_DCISW = set << 5 | way << 30;
        }
    }
    barrier();
}

void enable_instruction_cache(void) {
    barrier();
    SCB_ICIALLU = 0;
    barrier();
    SCB_CCR |= SCB_CCR_IC;
    barrier();
}

void enable_data_cache(void) {
    invalidate_data_cache();
    SCB_CCR |= SCB_CCR_DC;
    barrier();
}
