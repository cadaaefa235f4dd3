//go:build go1.23

package main

import "iter"

// coroutines makes as many of them, one after another, and lets each end.
func coroutines(count, _ int) truth {
	for i := 0; i < count; i++ {
		next, stop := iter.Pull(func(yield func(int) bool) { yield(1) })
		for _, more := next(); more; _, more = next() {
		}
		stop()
	}
	return truth{Goroutines: count}
}
