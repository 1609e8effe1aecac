/* How deep the stack has been: painted at boot, and searched for what is still paint. */
#ifndef STACK_MARK_H
#define STACK_MARK_H

#include <stdint.h>

void stack_mark_paint(void);     /* once, early in main: paints what lies below its caller */
uint32_t stack_mark_used(void);  /* bytes from the stack's top to the lowest byte ever written */
uint32_t stack_mark_bytes(void); /* the whole stack */

#endif
