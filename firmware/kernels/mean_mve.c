#include "mean_mve.h"

#include "lanes_mve.h"

void mcu_mean_s8_mve(const struct mcu_mean_s8 *layer, const int8_t *in, int8_t *out) {
    const int32_t channels = layer->channels;
    const int32x4_t multiplier = vdupq_n_s32(layer->factor.multiplier);
    const int32x4_t shift = vdupq_n_s32(layer->factor.shift);
    const struct mcu_output_mve output = mcu_output_of(layer->output);
    for (int32_t plane = 0; plane < layer->planes; plane++) {
        const struct mcu_window all = {in, 1, layer->pixels, 0, channels};
        int32_t channel = 0;
        for (; channel + MCU_EIGHT <= channels; channel += MCU_EIGHT) {
            struct mcu_eight_mve sums = mcu_sum_eight(&all, channel);
            sums.even = mcu_scale_down_mve(vaddq_n_s32(sums.even, layer->sum_offset), multiplier, shift);
            sums.odd = mcu_scale_down_mve(vaddq_n_s32(sums.odd, layer->sum_offset), multiplier, shift);
            sums.even = mcu_clamp_mve(sums.even, output);
            sums.odd = mcu_clamp_mve(sums.odd, output);
            mcu_store_eight(sums, out + channel);
        }
        for (; channel < channels; channel++) {
            const int32_t sum = mcu_sum_one(&all, channel) + layer->sum_offset;
            out[channel] = mcu_requantize_s8(sum, layer->factor, layer->output);
        }
        in += layer->pixels * channels;
        out += channels;
    }
}
