package main

import (
	"runtime"
	"runtime/metrics"
)

// spins is how often the waker's loop goes round while the woken goroutine waits.
const spins = 200000

// wakeups creates one goroutine and wakes it again and again on a single processor; it waits `count` times,
// the first and the last time included. From the moment it is made ready it waits while the waker computes:
// at least from behind the send to the end of the computation, unless the waker was made to yield before;
// at most from before the send to its own first instruction.
func wakeups(count, _ int) truth {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	before := runtime.NumGoroutine()
	work, began := make(chan struct{}), make(chan int64, 1)
	sampled := longWaits()
	first := now()
	go woken(work, began)
	known := truth{Goroutines: count, MostNs: <-began - first}
	for i := 2; i < count; i++ {
		// The other one parks: there is one processor, and now it is not ours.
		runtime.Gosched()
		first := now()
		work <- struct{}{}
		sent := now()
		compute()
		computed := now()
		ran := <-began
		known.MostNs += ran - first
		if ran > computed {
			known.LeastNs += computed - sent
		}
	}
	runtime.Gosched()
	first = now()
	close(work)
	known.MostNs += <-began - first
	gone(before)
	known.Sampled = longWaits() - sampled
	return known
}

func woken(work <-chan struct{}, began chan<- int64) {
	began <- now()
	for range work {
		began <- now()
	}
	began <- now()
}

// longWaits is how many waits of 32,768 ns or more the runtime has sampled: one in eight.
func longWaits() (count uint64) {
	sample := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(sample)
	waits := sample[0].Value.Float64Histogram()
	for bucket, number := range waits.Counts {
		if waits.Buckets[bucket] >= 32767e-9 {
			count += number
		}
	}
	return count
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
