/* Nearest-neighbour resizing of an image, int8, portable: the specification of resize_nearest_s8*.
 *   in [...][in_row / channels][channels]   out [height][width][channels]
 * out[y][x] = in[rows[y]][columns[x]]: which input pixel is nearest is a matter of float rounding, with
 * align_corners and half_pixel_centers; the compiler has settled it in two tables.
 * Byte arrays, no alignment; in and out do not overlap; no scratch.
 * Spec: TFLite RESIZE_NEAREST_NEIGHBOR, which keeps scale and zero point. */
#ifndef MCU_RESIZE_NEAREST_H
#define MCU_RESIZE_NEAREST_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mcu_resize_nearest_s8 {
    int32_t height;
    int32_t width;
    int32_t channels;
    int32_t in_row;         /* bytes of an input row */
    const int16_t *rows;    /* [height] ascending */
    const int16_t *columns; /* [width] ascending */
};

void mcu_resize_nearest_s8(const struct mcu_resize_nearest_s8 *layer, const int8_t *in, int8_t *out);

#ifdef __cplusplus
}
#endif

#endif
