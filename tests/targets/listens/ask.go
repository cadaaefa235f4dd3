package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"golens.test/targets/internal/target"
)

// asked is what somebody else answered.
type asked struct {
	// OK counts the answers with status 200 before another one came.
	OK int `json:"ok"`
	// Status and RetryAfter are of the first other answer; 0 and empty when there was none.
	Status     int    `json:"status"`
	RetryAfter string `json:"retry_after"`
}

// ask calls somebody else over one new connection until the answer is not 200, or often enough.
func ask(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	most, err := strconv.Atoi(query.Get("most"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answers, err := askUntilRefused(query.Get("network"), query.Get("address"), query.Get("path"), most)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	target.WriteJSON(w, answers)
}

func askUntilRefused(network, address, path string, most int) (asked, error) {
	transport := &http.Transport{
		MaxConnsPerHost: 1,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var answers asked
	for answers.OK < most {
		answer, err := client.Get("http://registry" + path)
		if err != nil {
			return answers, fmt.Errorf("after %d answers: %w", answers.OK, err)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err != nil {
			return answers, err
		}
		if answer.StatusCode != http.StatusOK {
			answers.Status, answers.RetryAfter = answer.StatusCode, answer.Header.Get("Retry-After")
			return answers, nil
		}
		answers.OK++
	}
	return answers, nil
}
