#include "sub.h"

#include "shared_scale.h"

void mcu_sub_s8(const struct mcu_sub_s8 *layer, const int8_t *a, const int8_t *b, int8_t *out) {
    const struct mcu_sub_s8 l = *layer; /* out may alias anything, as far as the C compiler knows */
    const struct mcu_operand first = mcu_operand_of(l.a_zero_point, l.a_factor);
    const struct mcu_operand second = mcu_operand_of(l.b_zero_point, l.b_factor);
    const struct mcu_sum to_output = mcu_sum_of(l.difference_factor, l.output);
    for (int32_t outer = 0; outer < l.size.outer; outer++) {
        for (int32_t middle = 0; middle < l.size.middle; middle++) {
            const int8_t *x = mcu_operand_row(a, l.a_step, outer, middle);
            const int8_t *y = mcu_operand_row(b, l.b_step, outer, middle);
            for (int32_t inner = 0; inner < l.size.inner; inner++) {
                const int32_t difference = mcu_to_shared_scale(*x, first) - mcu_to_shared_scale(*y, second);
                *out++ =
                    mcu_clamp_s8(mcu_from_shared_scale(difference, to_output), l.output.min, l.output.max);
                x += l.a_step.inner;
                y += l.b_step.inner;
            }
        }
    }
}
