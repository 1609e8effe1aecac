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
#define MPU_CTRL REGISTER(0xE000ED94u)
#define MPU_RNR REGISTER(0xE000ED98u)
#define MPU_RBAR REGISTER(0xE000ED9Cu)
#define MPU_RASR REGISTER(0xE000EDA0u)

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

void enable_caches(void) {
    barrier();
    SCB_ICIALLU = 0;
    barrier();
    SCB_CCR |= SCB_CCR_IC;
    barrier();
    invalidate_data_cache();
    SCB_CCR |= SCB_CCR_DC;
    barrier();
}

void block_speculative_reads(void) {
    const uint32_t never_executed = 1u << 28, strongly_ordered_no_access = 0;
    const uint32_t all_of_the_address_space = 31u << 1, on = 1u;
    /* Eighths of the address space that keep their default: 0 to 2 and 7. */
    const uint32_t left_out = 0x87u << 8;

    barrier();
    MPU_CTRL = 0;
    MPU_RNR = 0;
    MPU_RBAR = 0;
    MPU_RASR = never_executed | strongly_ordered_no_access | left_out | all_of_the_address_space | on;
    MPU_CTRL = 1u << 2 | 1u; /* the default map elsewhere; on */
    barrier();
}
