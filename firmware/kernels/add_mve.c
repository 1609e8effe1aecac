#include "add_mve.h"

#include "requantize_mve.h"
#include "shared_scale.h"

/* One operand's way to the shared scale. */
struct operand {
    int32_t negative_zero_point;
    int32x4_t multiplier;
    int32x4_t right;
};

MCU_INLINE struct operand operand_of(int32_t zero_point, struct mcu_factor factor) {
    const struct operand operand = {-zero_point, vdupq_n_s32(factor.multiplier), vdupq_n_s32(factor.shift)};
    return operand;
}

/* The factor of the larger scale is 1/2: one bit less of headroom is all that it does. */
MCU_INLINE int32x4_t sum_of(int32x4_t fine, int32x4_t wide, struct operand operand, int32_t wide_zero_point) {
    fine = vshlq_n_s32(vaddq_n_s32(fine, operand.negative_zero_point), MCU_HEADROOM_BITS);
    fine = mcu_scale_down_mve(fine, operand.multiplier, operand.right);
    wide = vshlq_n_s32(vsubq_n_s32(wide, wide_zero_point), MCU_HEADROOM_BITS - 1);
    return vaddq_s32(fine, wide);
}

void mcu_add_s8_mve(const struct mcu_add_s8 *layer, const int8_t *a, const int8_t *b, int8_t *out) {
    const int32_t swapped = mcu_is_half(layer->a_factor);
    const int8_t *fine = swapped ? b : a;
    const int8_t *wide = swapped ? a : b;
    const int32_t wide_zero_point = swapped ? layer->a_zero_point : layer->b_zero_point;
    const struct operand operand = operand_of(swapped ? layer->b_zero_point : layer->a_zero_point,
                                              swapped ? layer->b_factor : layer->a_factor);
    const int32x4_t multiplier = vdupq_n_s32(layer->sum_factor.multiplier);
    const int32x4_t right = vdupq_n_s32(layer->sum_factor.shift);
    const struct mcu_output_mve output = mcu_output_of(layer->output);
    int32_t left = layer->count;
    for (; left >= 4; left -= 4) {
        const int32x4_t sum = sum_of(vldrbq_s32(fine), vldrbq_s32(wide), operand, wide_zero_point);
        vstrbq_s32(out, mcu_clamp_mve(mcu_scale_down_mve(sum, multiplier, right), output));
        fine += 4;
        wide += 4;
        out += 4;
    }
    const mve_pred16_t rest = vctp32q((uint32_t)left);
    const int32x4_t sum =
        sum_of(vldrbq_z_s32(fine, rest), vldrbq_z_s32(wide, rest), operand, wide_zero_point);
    vstrbq_p_s32(out, mcu_clamp_mve(mcu_scale_down_mve(sum, multiplier, right), output), rest);
}
