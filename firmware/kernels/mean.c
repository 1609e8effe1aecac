#include "mean.h"

/* Sums of four neighbouring channels: one step of the pointer and of the count serves four additions. */
static inline void four_sums(const struct mcu_mean_s8 *layer, const int8_t *in, int32_t sums[4]) {
    const int32_t channels = layer->channels;
    int32_t s0 = layer->sum_offset;
    int32_t s1 = s0;
    int32_t s2 = s0;
    int32_t s3 = s0;
    for (int32_t left = layer->pixels; left > 0; left--) {
        s0 += in[0];
        s1 += in[1];
        s2 += in[2];
        s3 += in[3];
        in += channels;
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
}

static inline int32_t one_sum(const struct mcu_mean_s8 *layer, const int8_t *in) {
    const int32_t channels = layer->channels;
    int32_t sum = layer->sum_offset;
    for (int32_t left = layer->pixels; left > 0; left--) {
        sum += *in;
        in += channels;
    }
    return sum;
}

void mcu_mean_s8(const struct mcu_mean_s8 *layer, const int8_t *in, int8_t *out) {
    const int32_t channels = layer->channels;
    const struct mcu_factor factor = layer->factor;
    const struct mcu_output output = layer->output;
    for (int32_t plane = 0; plane < layer->planes; plane++) {
        int32_t channel = 0;
        while (channel < channels) {
            int32_t sums[4];
            int32_t count = 4;
            if (channel + 4 <= channels) {
                four_sums(layer, in + channel, sums);
            } else {
                sums[0] = one_sum(layer, in + channel);
                count = 1;
            }
            for (int32_t i = 0; i < count; i++) {
                out[channel++] = mcu_requantize_s8(sums[i], factor, output);
            }
        }
        in += layer->pixels * channels;
        out += channels;
    }
}
