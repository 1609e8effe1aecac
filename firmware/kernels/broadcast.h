/* How the kernels of two operands walk over them where one, or each along another axis, is repeated.
 *
 * The output [outer][middle][inner] is dense. An operand's steps are the distances in bytes between
 * neighbours along the three axes; 0 repeats it. Each output is written after its own elements of both are
 * read, in the output's order: out may be an operand that is not repeated. */
#ifndef MCU_BROADCAST_H
#define MCU_BROADCAST_H

#include <stdint.h>

#include "inline.h"

struct mcu_extent {
    int32_t outer;
    int32_t middle;
    int32_t inner;
};

/* The first element of a row of an operand. */
MCU_INLINE const int8_t *mcu_operand_row(const int8_t *operand, struct mcu_extent step, int32_t outer,
                                         int32_t middle) {
    return operand + outer * step.outer + middle * step.middle;
}

#endif
