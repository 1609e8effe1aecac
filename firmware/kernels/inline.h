/* What the kernels' speed rests on and ISO C cannot say, each with its plain form. */
#ifndef MCU_INLINE_H
#define MCU_INLINE_H

#include <stdint.h>

/* Thumb's first version, of Armv6-M (Cortex-M0) and Armv8-M's baseline: most instructions reach eight
 * registers, and of a product the core keeps the lower 32 bits. */
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1 && !defined(__ARM_ARCH_ISA_ARM)
#define MCU_THUMB_1 1
#else
#define MCU_THUMB_1 0
#endif

#if defined(__GNUC__)
/* Inlined into each caller, so that constant arguments leave no trace in its loops. */
#define MCU_INLINE static inline __attribute__((always_inline))
#define MCU_LIKELY(condition) __builtin_expect((condition), 1)
#else
#define MCU_INLINE static inline
#define MCU_LIKELY(condition) (condition)
#endif

/* The same, but a function of its own on Thumb 1, where its copies would take the caller's registers. */
#if defined(__GNUC__) && MCU_THUMB_1
#define MCU_INLINE_LARGE static __attribute__((noinline, unused))
#else
#define MCU_INLINE_LARGE MCU_INLINE
#endif

/* The nearest int8: one instruction where the core saturates. */
MCU_INLINE int32_t mcu_saturate_s8(int32_t x) {
#if defined(__ARM_FEATURE_SAT)
    return (int32_t)__builtin_arm_ssat(x, 8); /* ACLE's __ssat, whose macro in gcc 12 trips -Wconversion */
#else
    x = x < INT8_MIN ? INT8_MIN : x;
    return x > INT8_MAX ? INT8_MAX : x;
#endif
}

#endif
