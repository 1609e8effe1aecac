/* How the kernels of two operands walk over them where one, or each along another axis, is repeated.
 *
 * The output [outer][middle][inner] is dense. An operand's steps are the distances in bytes between
 * neighbours along the three axes; 0 repeats it. Operands that are not repeated have outer and middle 1. */
#ifndef MCU_BROADCAST_H
#define MCU_BROADCAST_H

#include <stdint.h>

#include "inline.h"

struct mcu_extent {
    int32_t outer;
    int32_t middle;
    int32_t inner;
};

/* What a kernel computes of two elements; layer is its arguments. */
typedef int8_t mcu_element_s8(const void *layer, int8_t a, int8_t b);

/* Each output in its order, written after its own elements of a and b are read: out may be an operand that
 * is not repeated. Inlined, and element with it. */
MCU_INLINE void mcu_broadcast_s8(struct mcu_extent size, struct mcu_extent a_step, struct mcu_extent b_step,
                                 mcu_element_s8 *element, const void *layer, const int8_t *a, const int8_t *b,
                                 int8_t *out) {
    for (int32_t outer = 0; outer < size.outer; outer++) {
        for (int32_t middle = 0; middle < size.middle; middle++) {
            const int8_t *x = a + outer * a_step.outer + middle * a_step.middle;
            const int8_t *y = b + outer * b_step.outer + middle * b_step.middle;
            for (int32_t inner = 0; inner < size.inner; inner++) {
                *out++ = element(layer, *x, *y);
                x += a_step.inner;
                y += b_step.inner;
            }
        }
    }
}

#endif
