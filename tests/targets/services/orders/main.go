// Command orders knows orders by their number and asks the inventory over gRPC; it logs text.
//
// What goes wrong is a function of the number: ids ending in 7 do not exist, ids ending in 13 fail.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"golens.test/services/internal/inventorypb"
	"golens.test/services/internal/service"
)

type order struct {
	ID    string `json:"id"`
	Item  string `json:"item"`
	Stock int64  `json:"stock"`
}

type orders struct {
	inventory grpc.ClientConnInterface
	created   atomic.Int64
}

func main() {
	options := service.Parse(true)
	service.LogTo(options.JSON)
	conn, err := grpc.NewClient("passthrough:///"+options.Upstream, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		service.Fail(err)
	}
	o := &orders{inventory: conn}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", o.show)
	mux.HandleFunc("POST /orders", o.create)
	service.ServeHTTP(options.Listen, mux)
}

func (o *orders) show(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	switch {
	case strings.HasSuffix(id, "7"):
		slog.Warn("order unknown", "order", id)
		http.Error(w, "order unknown", http.StatusNotFound)
		return
	case strings.HasSuffix(id, "13"):
		slog.Error("order damaged", "order", id)
		http.Error(w, "order damaged", http.StatusInternalServerError)
		return
	}
	lookup(id)
	o.answer(w, r, http.StatusOK, order{ID: id, Item: "item-" + last(id)})
}

func (o *orders) create(w http.ResponseWriter, r *http.Request) {
	var wanted order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&wanted); err != nil || wanted.Item == "" {
		slog.Warn("order not understood", "error", err)
		http.Error(w, "an item is needed", http.StatusBadRequest)
		return
	}
	wanted.ID = fmt.Sprint(1_000_000 + 10*o.created.Add(1))
	slog.Info("order stored", "order", wanted.ID, "item", wanted.Item)
	o.answer(w, r, http.StatusCreated, wanted)
}

// answer adds what the inventory says and writes the order.
func (o *orders) answer(w http.ResponseWriter, r *http.Request, status int, found order) {
	stock, err := inventorypb.Check(forwarded(r), o.inventory, found.Item)
	if err != nil {
		slog.Error("inventory failed", "order", found.ID, "error", err)
		http.Error(w, "inventory failed", http.StatusBadGateway)
		return
	}
	found.Stock = stock
	slog.Info("order found", "order", found.ID, "item", found.Item, "stock", stock)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(found); err != nil {
		slog.Warn("answer cut short", "error", err)
	}
}

// forwarded carries the trace of the request on as gRPC metadata.
func forwarded(r *http.Request) context.Context {
	traceparent := r.Header.Get("Traceparent")
	if traceparent == "" {
		return r.Context()
	}
	return metadata.AppendToOutgoingContext(r.Context(), "traceparent", traceparent)
}

// lookup takes the time a store would: 1 ms, and 20 ms for ids ending in 5.
func lookup(id string) {
	if strings.HasSuffix(id, "5") {
		slog.Warn("slow lookup", "order", id)
		time.Sleep(20 * time.Millisecond)
		return
	}
	time.Sleep(time.Millisecond)
}

func last(id string) string { return id[len(id)-1:] }
