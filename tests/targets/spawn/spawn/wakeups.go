package main

import "runtime"

// spins is how often the waker's loop goes round while the woken goroutine waits.
const spins = 200000

// wakeups wakes one goroutine again and again on a single processor. From the moment it is made ready it
// waits while the waker computes: at least from behind the send to the end of the computation, unless the
// waker was made to yield before; at most from before the send to its own first instruction.
func wakeups(count, _ int) truth {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	before := runtime.NumGoroutine()
	work, ran := make(chan struct{}), make(chan int64)
	go woken(work, ran)
	known := truth{Goroutines: count}
	for i := 0; i < count; i++ {
		// The other one is parked by now: there is one processor, and it is ours until we wait.
		runtime.Gosched()
		first := now()
		work <- struct{}{}
		sent := now()
		compute()
		computed := now()
		began := <-ran
		known.MostNs += began - first
		if began > computed {
			known.LeastNs += computed - sent
		}
	}
	close(work)
	gone(before)
	return known
}

func woken(work <-chan struct{}, ran chan<- int64) {
	for range work {
		ran <- now()
	}
}

var result int

//go:noinline
func compute() {
	sum := 0
	for i := 0; i < spins; i++ {
		sum += i ^ sum<<1
	}
	result = sum
}
