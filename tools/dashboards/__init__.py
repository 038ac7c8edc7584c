"""Make the dashboard for Grafana: deploy/grafana/dashboards/reelq.json."""
