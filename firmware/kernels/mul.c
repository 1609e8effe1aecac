#include "mul.h"

void mcu_mul_s8(const struct mcu_mul_s8 *layer, const int8_t *a, const int8_t *b, int8_t *out) {
    const struct mcu_mul_s8 l = *layer; /* out may alias anything, as far as the C compiler knows */
    for (int32_t outer = 0; outer < l.size.outer; outer++) {
        for (int32_t middle = 0; middle < l.size.middle; middle++) {
            const int8_t *x = mcu_operand_row(a, l.a_step, outer, middle);
            const int8_t *y = mcu_operand_row(b, l.b_step, outer, middle);
            for (int32_t inner = 0; inner < l.size.inner; inner++) {
                const int32_t product = (*x - l.a_zero_point) * (*y - l.b_zero_point);
                *out++ = mcu_requantize_s8(product, l.factor, l.output);
                x += l.a_step.inner;
                y += l.b_step.inner;
            }
        }
    }
}
