#include "add.h"

#include "shared_scale.h"

/* The operand of the larger scale, whose factor is 1/2. */
MCU_INLINE int32_t widened(int8_t x, int32_t zero_point) {
    return (x - zero_point) * (1 << (MCU_HEADROOM_BITS - 1));
}

/* Four neighbours, step by step: the constants of all steps do not fit the registers together. */
MCU_INLINE void add_four(const int8_t *fine, const int8_t *wide, struct mcu_operand operand,
                         int32_t wide_zero_point, struct mcu_sum sum, int8_t *out) {
    int32_t x0 = mcu_to_shared_scale(fine[0], operand);
    int32_t x1 = mcu_to_shared_scale(fine[1], operand);
    int32_t x2 = mcu_to_shared_scale(fine[2], operand);
    int32_t x3 = mcu_to_shared_scale(fine[3], operand);
    x0 = mcu_from_shared_scale(x0 + widened(wide[0], wide_zero_point), sum);
    x1 = mcu_from_shared_scale(x1 + widened(wide[1], wide_zero_point), sum);
    x2 = mcu_from_shared_scale(x2 + widened(wide[2], wide_zero_point), sum);
    x3 = mcu_from_shared_scale(x3 + widened(wide[3], wide_zero_point), sum);
    mcu_store4_s8(x0, x1, x2, x3, sum.output, out);
}

void mcu_add_s8(const struct mcu_add_s8 *layer, const int8_t *a, const int8_t *b, int8_t *out) {
    const int32_t swapped = mcu_is_half(layer->a_factor);
    const int8_t *fine = swapped ? b : a;
    const int8_t *wide = swapped ? a : b;
    const int32_t wide_zero_point = swapped ? layer->a_zero_point : layer->b_zero_point;
    const struct mcu_operand operand = mcu_operand_of(swapped ? layer->b_zero_point : layer->a_zero_point,
                                                      swapped ? layer->b_factor : layer->a_factor);
    const struct mcu_sum sum = mcu_sum_of(layer->sum_factor, layer->output);
    int32_t left = layer->count;
    for (; left >= 4; left -= 4) {
        add_four(fine, wide, operand, wide_zero_point, sum, out);
        fine += 4;
        wide += 4;
        out += 4;
    }
    for (; left > 0; left--) {
        const int32_t x = mcu_to_shared_scale(*fine++, operand) + widened(*wide++, wide_zero_point);
        *out++ = mcu_clamp_s8(mcu_from_shared_scale(x, sum), sum.output.min, sum.output.max);
    }
}
