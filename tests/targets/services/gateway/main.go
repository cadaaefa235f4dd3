// Command gateway is the outermost service: it asks orders over HTTP and logs JSON.
package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golens.test/services/internal/service"
)

type gateway struct {
	orders string
	client *http.Client
}

func main() {
	options := service.Parse(true)
	service.LogTo(true)
	g := &gateway{
		orders: "http://" + options.Upstream,
		client: &http.Client{
			Timeout:   10 * time.Second,
			Transport: &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256},
		},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/orders/{id}", g.show)
	mux.HandleFunc("POST /api/orders", g.create)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	service.ServeHTTP(options.Listen, mux)
}

func (g *gateway) show(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	slog.Info("order requested", "order", id)
	g.forward(w, r, http.MethodGet, "/orders/"+id, nil)
}

func (g *gateway) create(w http.ResponseWriter, r *http.Request) {
	slog.Info("order received", "bytes", r.ContentLength)
	g.forward(w, r, http.MethodPost, "/orders", io.LimitReader(r.Body, 1<<20))
}

// forward asks orders in the trace of the request and passes the answer on.
func (g *gateway) forward(w http.ResponseWriter, r *http.Request, method, path string, body io.Reader) {
	begin := time.Now()
	answer, err := g.ask(r.Context(), method, path, body, r.Header.Get("Traceparent"))
	if err != nil {
		slog.Error("orders unreachable", "error", err)
		http.Error(w, "orders unreachable", http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 400 {
		slog.Warn("orders refused", "status", answer.StatusCode, "path", path)
	}
	w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
	w.WriteHeader(answer.StatusCode)
	if _, err := io.Copy(w, answer.Body); err != nil {
		slog.Warn("answer cut short", "error", err)
		return
	}
	slog.Info("order answered", "status", answer.StatusCode, "took", time.Since(begin).Round(time.Microsecond).String())
}

func (g *gateway) ask(ctx context.Context, method, path string, body io.Reader, traceparent string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, g.orders+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if strings.TrimSpace(traceparent) != "" {
		request.Header.Set("Traceparent", traceparent)
	}
	return g.client.Do(request)
}
