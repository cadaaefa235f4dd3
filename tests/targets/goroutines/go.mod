module golens.test/goroutines

go 1.17
