#include "mean.h"

void mcu_mean_s8(const struct mcu_mean_s8 *layer, const int8_t *in, int8_t *out) {
    const int32_t pixels = layer->pixels;
    const int32_t channels = layer->channels;
    for (int32_t plane = 0; plane < layer->planes; plane++) {
        for (int32_t channel = 0; channel < channels; channel++) {
            const int8_t *x = in + channel;
            int32_t sum = 0;
            for (int32_t pixel = 0; pixel < pixels; pixel++) {
                sum += *x;
                x += channels;
            }
            out[channel] = mcu_requantize_s8(sum + layer->sum_offset, layer->factor, layer->output);
        }
        in += pixels * channels;
        out += channels;
    }
}
