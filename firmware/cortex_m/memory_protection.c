#include "memory_protection.h"

#if __ARM_ARCH >= 8

void protect_memory(uintptr_t stack_low) {
    __asm volatile("msr msplim, %0" ::"r"(stack_low));
}

#else

struct mpu {
    volatile uint32_t type, control, region, base, attributes;
};
#define MPU ((struct mpu *)0xE000ED90u)
#define MPU_TYPE_REGIONS (0xFFu << 8)
#define MPU_CONTROL_ENABLE (1u << 0)
#define MPU_CONTROL_DEFAULT_MAP_ELSEWHERE (1u << 2)
#define MPU_REGION_ENABLE (1u << 0)
#define MPU_REGION_SIZE(log2_bytes) (((log2_bytes)-1u) << 1)
#define MPU_REGION_WITHOUT_EIGHTHS(mask) ((mask) << 8)
#define MPU_REGION_NEVER_EXECUTED (1u << 28)

#define GUARD_LOG2_BYTES 16u
#define GUARD_BYTES (1u << GUARD_LOG2_BYTES)

/* Access permission 0, which the attributes leave at 0, is no access at all. */
static void forbid(uint32_t number, uint32_t base, uint32_t size_and_eighths) {
    MPU->region = number;
    MPU->base = base;
    MPU->attributes = MPU_REGION_NEVER_EXECUTED | size_and_eighths | MPU_REGION_ENABLE;
}

void protect_memory(uintptr_t stack_low) {
    if ((MPU->type & MPU_TYPE_REGIONS) == 0) {
        return;
    }
    MPU->control = 0;
    /* All of the address space without its eighths 0, 1, 2 and 7. */
    forbid(0, 0, MPU_REGION_SIZE(32u) | MPU_REGION_WITHOUT_EIGHTHS(0x87u));
    if (stack_low % GUARD_BYTES == 0) {
        forbid(1, stack_low - GUARD_BYTES, MPU_REGION_SIZE(GUARD_LOG2_BYTES));
    }
    MPU->control = MPU_CONTROL_DEFAULT_MAP_ELSEWHERE | MPU_CONTROL_ENABLE;
    __asm volatile("dsb\n\tisb" ::: "memory");
}

#endif
