/* A hook for checking builds: MCU_ROW_DONE(step) stands where a kernel has finished number step, in running
 * order, of its output rows (its own header says where steps are something else). A build with
 * MCU_CHECK_ROWS calls mcu_row_done there, which overwrites what the memory plan calls dead; in any other
 * build it is nothing. */
#ifndef MCU_ROW_DONE_H
#define MCU_ROW_DONE_H

#include <stdint.h>

#ifdef MCU_CHECK_ROWS
void mcu_row_done(int32_t step);
#define MCU_ROW_DONE(step) mcu_row_done(step)
#else
#define MCU_ROW_DONE(step) ((void)(step))
#endif

#endif
