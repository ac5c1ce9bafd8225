/* sanitized.h - MST_SANITIZED: is this build made with AddressSanitizer or
 * ThreadSanitizer, which want to see each block of the heap by itself? */
#ifndef MST_SANITIZED_H
#define MST_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MST_SANITIZED 1
#endif
#endif
#ifndef MST_SANITIZED
#define MST_SANITIZED 0
#endif

#endif
