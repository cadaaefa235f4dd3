package consul

import (
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

// transact runs operations and returns whether they took effect, with what they answered.
func transact(t *testing.T, operations ...*api.TxnOp) (bool, *api.TxnResponse) {
	t.Helper()
	done, answer, _, err := client(t).Txn().Txn(operations, nil)
	must(t, err)
	return done, answer
}

func nodeOp(verb api.NodeOp, node api.Node) *api.TxnOp {
	return &api.TxnOp{Node: &api.NodeTxnOp{Verb: verb, Node: node}}
}

func serviceOp(verb api.ServiceOp, node string, service api.AgentService) *api.TxnOp {
	return &api.TxnOp{Service: &api.ServiceTxnOp{Verb: verb, Node: node, Service: service}}
}

func checkOp(verb api.CheckOp, check api.HealthCheck) *api.TxnOp {
	return &api.TxnOp{Check: &api.CheckTxnOp{Verb: verb, Check: check}}
}

func TestATransactionRegistersANodeWithServiceCheckAndKey(t *testing.T) {
	own := name(t, "")
	node := api.Node{Node: own, Address: "10.1.1.1", Meta: map[string]string{"rack": "7"}}
	service := api.AgentService{ID: own + "-1", Service: own, Port: 80, Tags: []string{"v1"}}
	check := api.HealthCheck{Node: own, CheckID: own + "-check", Name: "works", Status: api.HealthPassing, ServiceID: service.ID}
	set := []*api.TxnOp{
		nodeOp(api.NodeSet, node), serviceOp(api.ServiceSet, own, service), checkOp(api.CheckSet, check),
		{KV: &api.KVTxnOp{Verb: api.KVSet, Key: own, Value: []byte("1")}},
	}
	if done, answer := transact(t, append(set, nodeOp(api.NodeGet, api.Node{Node: own + "-missing"}))...); done ||
		len(answer.Errors) != 1 || answer.Errors[0].OpIndex != 4 || !strings.Contains(answer.Errors[0].What, "doesn't exist") {
		t.Fatalf("with a failing operation: %v, %+v", done, answer)
	}
	if entries := entriesOf(t, own); len(entries) != 0 {
		t.Fatalf("a part remains: %+v", entries[0].Service)
	}

	done, answer := transact(t, set...)
	if !done || len(answer.Results) != 4 {
		t.Fatalf("%v, %+v", done, answer)
	}
	entries := entriesOf(t, own)
	if len(entries) != 1 || entries[0].Service.Port != 80 || entries[0].Node.Meta["rack"] != "7" ||
		len(entries[0].Checks) != 1 || entries[0].Checks[0].Name != "works" {
		t.Fatalf("after the transaction: %+v", entries)
	}

	index := answer.Results[1].Service.ModifyIndex
	service.ModifyIndex = index + 1
	if done, answer = transact(t, serviceOp(api.ServiceCAS, own, service)); done || !strings.Contains(answer.Errors[0].What, "index is stale") {
		t.Fatalf("with a stale index: %v, %+v", done, answer)
	}
	service.ModifyIndex, service.Port = index, 81
	if done, answer = transact(t, serviceOp(api.ServiceCAS, own, service)); !done || answer.Results[0].Service.Port != 81 {
		t.Fatalf("with the right index: %v, %+v", done, answer)
	}

	check.Status = api.HealthCritical
	if done, _ = transact(t, checkOp(api.CheckSet, check)); !done || entriesOf(t, own)[0].Checks.AggregatedStatus() != api.HealthCritical {
		t.Fatal("the check did not change")
	}
	done, answer = transact(t, checkOp(api.CheckDelete, check), serviceOp(api.ServiceDelete, own, service), nodeOp(api.NodeDelete, node))
	if !done || len(answer.Results) != 0 || len(entriesOf(t, own)) != 0 {
		t.Fatalf("after the deletion: %v, %+v", done, answer)
	}
	if found, _, err := client(t).Catalog().Node(own, nil); err != nil || found != nil {
		t.Fatalf("the node is %+v, %v", found, err)
	}
}

func entriesOf(t *testing.T, service string) []*api.ServiceEntry {
	t.Helper()
	entries, _, err := client(t).Health().Service(service, "", false, nil)
	must(t, err)
	return entries
}

func TestQueriesTellThePolicyForCallersWithoutAToken(t *testing.T) {
	_, meta, err := client(t).Catalog().Services(nil)
	must(t, err)
	if meta.DefaultACLPolicy != "allow" {
		t.Errorf("the policy is %q", meta.DefaultACLPolicy)
	}
}

func TestTheMonitorSaysWhereTheLogIs(t *testing.T) {
	lines, err := client(t).Agent().Monitor("info", nil, nil)
	must(t, err)
	if line := <-lines; !strings.HasPrefix(line, "[INFO]") {
		t.Errorf("it says %q", line)
	}
}

func TestAnUnknownVerbOfATransactionIsRefused(t *testing.T) {
	_, _, _, err := client(t).Txn().Txn(api.TxnOps{nodeOp("lock", api.Node{Node: "n"})}, nil)
	if err == nil || !strings.Contains(err.Error(), "unknown node verb") {
		t.Errorf("got %v", err)
	}
}
