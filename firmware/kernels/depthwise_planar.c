#include "depthwise_planar.h"

#include "depthwise_window.h"
#include "inline.h"
#include "row_done.h"

/* Outputs first <= o < end of one axis have all their taps inside the input: four or more, or none. */
struct interior {
    int32_t first;
    int32_t end;
};

static struct interior interior_of(const struct mcu_axis *axis) {
    const int32_t last = axis->in_size - 1 + axis->pad - (axis->taps - 1) * axis->dilation;
    const int32_t whole = last < 0 ? 0 : last / axis->stride + 1;
    struct interior inside = {(axis->pad + axis->stride - 1) / axis->stride,
                              whole < axis->out_size ? whole : axis->out_size};
    if (inside.end - inside.first < 4) {
        inside.first = inside.end = axis->out_size;
    }
    return inside;
}

/* What is the same for all outputs of one row of one channel. */
struct row {
    const struct mcu_depthwise_planar_s8 *layer;
    const int8_t *in;
    int32_t channel;
    struct mcu_span y;
    struct mcu_factor factor;
    struct mcu_output output;
};

static struct mcu_depthwise_patch patch_at(const struct row *row, int32_t out_x) {
    const struct mcu_depthwise_planar_s8 *layer = row->layer;
    return mcu_depthwise_patch_at(&layer->y, row->y, &layer->x, mcu_span_at(&layer->x, out_x), row->in,
                                  layer->in_channels, layer->weights, layer->in_channels);
}

/* The outputs first <= out_x < end, wherever they lie. */
static void one_by_one(const struct row *row, int32_t first, int32_t end, int8_t *out) {
    const struct mcu_depthwise_planar_s8 *layer = row->layer;
    const int32_t channel = row->channel;
    for (int32_t out_x = first; out_x < end; out_x++) {
        const struct mcu_depthwise_patch patch = patch_at(row, out_x);
        const int is_whole = patch.rows == layer->y.taps && patch.columns == layer->x.taps;
        const int32_t bias = is_whole ? layer->interior_bias[channel] : layer->bias[channel];
        const int16_t offset = is_whole ? 0 : (int16_t)-layer->in_zero_point;
        const int32_t acc = mcu_depthwise_accumulate(bias, &patch, channel, channel, offset);
        out[out_x] = mcu_requantize_s8(acc, row->factor, row->output);
    }
}

/* acc[k] += the products of four windows of one channel, in_step elements apart and with equal taps inside
 * the input: one load of a weight serves four multiplications. offset is added to each input. */
MCU_INLINE void accumulate4(int32_t acc[4], const struct mcu_depthwise_patch *patch, int32_t channel,
                            int32_t in_step, int16_t offset) {
    const int32_t in_column = patch->in_column;
    const int32_t weight_column = patch->weight_column;
    const int8_t *x_row = patch->in + channel;
    const int8_t *w_row = patch->weights + channel;
    int32_t a0 = acc[0];
    int32_t a1 = acc[1];
    int32_t a2 = acc[2];
    int32_t a3 = acc[3];
    for (int32_t row = patch->rows; row > 0; row--) {
        const int8_t *x = x_row;
        const int8_t *w = w_row;
        for (int32_t column = patch->columns; column > 0; column--) {
            const int32_t weight = *w;
            a0 += (x[0] + offset) * weight;
            a1 += (x[in_step] + offset) * weight;
            a2 += (x[2 * in_step] + offset) * weight;
            a3 += (x[3 * in_step] + offset) * weight;
            x += in_column;
            w += weight_column;
        }
        x_row += patch->in_row;
        w_row += patch->weight_row;
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

/* The outputs inside, four at a time; the last four perhaps in part again. offset is added to each input. */
MCU_INLINE void in_fours(const struct row *row, struct interior inside, int32_t bias, int16_t offset,
                         int8_t *out) {
    if (inside.first == inside.end) {
        return;
    }
    const int32_t in_step = row->layer->x.stride * row->layer->in_channels;
    const struct mcu_factor factors[4] = {row->factor, row->factor, row->factor, row->factor};
    struct mcu_depthwise_patch patch = patch_at(row, inside.first);
    const int8_t *first = patch.in;
    for (int32_t i = inside.first; i < inside.end; i += 4) {
        const int32_t out_x = i + 4 <= inside.end ? i : inside.end - 4;
        int32_t acc[4] = {bias, bias, bias, bias};
        patch.in = first + (out_x - inside.first) * in_step;
        accumulate4(acc, &patch, row->channel, in_step, offset);
        mcu_requantize4_s8(acc, factors, row->output, out + out_x);
    }
}

static void plane_row(const struct row *row, struct interior inside, int8_t *out) {
    const struct mcu_depthwise_planar_s8 *layer = row->layer;
    const int32_t channel = row->channel;
    one_by_one(row, 0, inside.first, out);
    if (row->y.end - row->y.first == layer->y.taps) {
        in_fours(row, inside, layer->interior_bias[channel], 0, out);
    } else {
        in_fours(row, inside, layer->bias[channel], (int16_t)-layer->in_zero_point, out);
    }
    one_by_one(row, inside.end, layer->x.out_size, out);
}

void mcu_depthwise_planar_s8(const struct mcu_depthwise_planar_s8 *layer, const int8_t *in, int8_t *out,
                             int8_t *scratch) {
    const struct interior inside = interior_of(&layer->x);
    const int32_t channels = layer->in_channels;
    const int32_t pixels = layer->y.out_size * layer->x.out_size;
    for (int32_t channel = 0; channel < channels; channel++) {
        int8_t *plane_end = scratch;
        for (int32_t out_y = 0; out_y < layer->y.out_size; out_y++) {
            const struct row row = {
                layer, in, channel, mcu_span_at(&layer->y, out_y), layer->factors[channel], layer->output};
            plane_row(&row, inside, plane_end);
            plane_end += layer->x.out_size;
        }
        for (int32_t pixel = 0; pixel < pixels; pixel++) {
            out[pixel * channels + channel] = scratch[pixel];
        }
        MCU_ROW_DONE(channel);
    }
}
