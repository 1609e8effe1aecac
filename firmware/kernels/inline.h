/* What the kernels' speed rests on and ISO C cannot say, each with its plain form. */
#ifndef MCU_INLINE_H
#define MCU_INLINE_H

#include <stdint.h>

#if defined(__GNUC__)
/* Inlined into each caller, so that constant arguments leave no trace in its loops. */
#define MCU_INLINE static inline __attribute__((always_inline))
#define MCU_LIKELY(condition) __builtin_expect((condition), 1)
#else
#define MCU_INLINE static inline
#define MCU_LIKELY(condition) (condition)
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
